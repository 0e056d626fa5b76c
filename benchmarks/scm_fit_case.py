"""One case of `scm_fit.py`, in a process of its own: prints its figures as a line of JSON.

It asks nothing of the package that older commits do not have, so that it measures those, too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.causal.models.fit import fit_scms
from lit_causalmix.causal.models.warp import warp_nodes
from lit_causalmix.causal.sampler.mechanisms import Additive, Classifier
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.causal.structure import Nodes, find_graphs
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.metrics.quality import assess
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import rng
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

Facts = dict[str, Any]
GENERATED = "generated"


def generated(n: int, d: int, seed: int = 0) -> TableSpec:
    """A table of a random graph with up to three parents a column, a fifth of them categories.

    Every effect is a tanh and half a line; categories are cut from numbers at their quantiles.
    """
    random = np.random.default_rng([seed, d])
    values, columns = random.normal(size=(n, d)), {}
    for j in range(d):
        parents = random.choice(j, size=min(j, int(random.integers(4))), replace=False)
        if len(parents):
            shape = np.tanh(values[:, parents]) + 0.5 * values[:, parents]
            values[:, j] += shape @ random.normal(size=len(parents))
            values[:, j] /= values[:, j].std()
        columns[f"c{j:03d}"] = values[:, j].copy()
        if random.random() < 0.2:
            classes = int(random.integers(2, 6))
            cuts = np.quantile(values[:, j], np.linspace(0, 1, classes + 1)[1:-1])
            code = np.searchsorted(cuts, values[:, j])
            values[:, j] = code - code.mean()
            columns[f"c{j:03d}"] = np.array([f"k{k}" for k in range(classes)])[code]
    frame = pd.DataFrame(columns)
    numbers = [name for name, column in columns.items() if column.dtype.kind == "f"]
    return TableSpec(frame, target=numbers[-1], name=GENERATED)


def peak_mb() -> float:
    """The most memory that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(rows: int, columns: int, resamples: int) -> Facts:
    """Seconds of discovery and of the fit of eight graphs, on `rows` training rows."""
    import dowhy.gcm  # noqa: F401 - imports are no part of the fit
    import networkx as nx  # noqa: F401
    import scipy.special  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    whole = generated(-(-rows * 5 // 3), columns)
    train = load_splits(whole, SplitSpec(max_train_rows=rows)).train
    nodes = Nodes.of(train)
    # On a busy machine the emergency brake would end the search early, and the edges would differ.
    settings = DiscoverySettings(n_resamples=resamples, time_budget_s=1e9)
    known = nodes.constraints(SCMGenerator().spec.knowledge).forbid(nodes.data.closed_edges())
    before, start = peak_mb(), time.process_time()
    graphs = find_graphs(nodes, known, settings, 8, given=False, seed=0, progress=False)
    found, searched = time.process_time(), peak_mb()
    data, _ = warp_nodes(nodes.data, list(nodes.prepared.nodes), "quantile")
    fitted = fit_scms(data, graphs.dags, mechanism="auto", seed=0, progress=False)
    return {
        "discovery": found - start,
        "fit": time.process_time() - found,
        "mb_before": before,
        "mb_discovery": searched,
        "mb": peak_mb(),
        "mechanisms": len(fitted.ensemble.mechanisms),
        "parents": int(np.logical_or.reduce(graphs.dags, axis=0).sum()),
        "edges": hashlib.sha256(graphs.edges.matrix.tobytes()).hexdigest()[:16],
    }


def mechanisms(generator: SCMGenerator, rows: NDArray[np.float64]) -> Facts:
    """How well fitted mechanisms say the cells of held-out rows, mean over cells and graphs.

    Returns:
        log-likelihood in nats (numbers: of a Gaussian on the scale of normal scores), R² of
        numbers, accuracy of categories.
    """
    state, nodes = generator.state, generator.state.nodes.tolist()
    values = rows[~np.isnan(rows).any(axis=1)][:, nodes]
    for warp in state.warps:
        j = nodes.index(warp.column)
        values[:, j] = warp.scores(values[:, j])
    likelihood, explained, right = [], [], []
    for chosen in state.ensemble.choices:
        for j, number in enumerate(chosen.tolist()):
            mechanism, observed = state.ensemble.mechanisms[number], values[:, j]
            if isinstance(mechanism, Additive):
                error = observed - mechanism.scores(values)[:, 0]
                size = max(float(mechanism.residuals.std()), 1e-3)
                density = -0.5 * (error / size) ** 2 - np.log(size * np.sqrt(2 * np.pi))
                likelihood.append(density.mean())
                explained.append(1 - (error**2).mean() / max(float(observed.var()), 1e-9))
            elif isinstance(mechanism, Classifier):
                weights = mechanism._weights(values)
                chance = np.diff(weights / weights[:, -1:], axis=1, prepend=0.0)
                hit = mechanism.classes == observed[:, None]
                likelihood.append(np.log(np.maximum((chance * hit).sum(axis=1), 1e-6)).mean())
                right.append((mechanism.classes[chance.argmax(axis=1)] == observed).mean())
    return {
        "log_likelihood": float(np.mean(likelihood)) if likelihood else None,
        "r2": float(np.mean(explained)) if explained else None,
        "accuracy": float(np.mean(right)) if right else None,
    }


def quality(table: str, rows: int, seed: int) -> Facts:
    """Fits, says how well held-out rows are explained, and how real drawn rows look."""
    name, _, columns = table.partition(":")
    spec = (
        generated(3 * rows, int(columns), seed)
        if name == GENERATED
        else TableSpec(**find_tables([table], None)[table])
    )
    splits = load_splits(spec, SplitSpec(max_train_rows=rows, max_val_rows=2000, seed=seed))
    generator = SCMGenerator(test_budget=500_000)
    start = time.process_time()
    generator.fit(splits.train, seed=seed, progress=False)
    seconds = time.process_time() - start
    drawn = generator.sample(len(splits.train), rng(seed, "scm-fit"))
    found = assess(splits.train, splits.val, drawn, seed=seed).synthetic
    return {
        "rows": len(splits.train),
        "seconds": seconds,
        "families": generator.state.families,
        **mechanisms(generator, splits.val.values),
        "shapes": found.shape_score,
        "trends": found.trends.score,
        "auc": found.auc,
        "utility": found.utility.value,
    }


CASES = {"speed": speed, "quality": quality}


def main() -> None:
    """Runs the case that the first argument holds as JSON."""
    warnings.simplefilter("ignore")
    logging.getLogger("lit_causalmix").setLevel(logging.ERROR)
    case = json.loads(sys.argv[1])
    kind = case.pop("kind")
    with single_thread():
        print(json.dumps(CASES[kind](**case)))


if __name__ == "__main__":
    main()
