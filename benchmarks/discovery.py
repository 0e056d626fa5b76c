"""Time to the first episode: our generator against the plain sequence of libraries.

    python benchmarks/discovery.py --out docs/results/discovery

Ours: `SCMGenerator(n_dags=1).fit` on the training rows (30 runs of discovery, mechanisms, noise)
and 512 rows drawn. Plain: causal-learn's PC and FCI as shipped with Fisher's z on the codes of the
same rows, at the same levels and number of runs, each on rows drawn as ours; then, on the graph
that ours ended with, `gcm.auto.assign_causal_mechanisms`, `gcm.fit` and 512 rows drawn. Fits of
each are repeated `--repeats` times with other seeds, and their medians taken. The plain runs of
discovery are alike: `--plain-runs` of them are timed and scaled to 30, and a run that has not ended
after `--limit` seconds counts as that long. Both are timed as processor time in one process without
workers, so that other work on the machine does not count; wall time stands beside it. The skeletons
of both are compared for the same test, rows and settings.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from lit_causalmix.causal.columns import prepare_columns
from lit_causalmix.causal.search.discovery import RESAMPLED
from lit_causalmix.causal.search.encoding import Encoded
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.skeleton import Allowance, find_skeleton
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits

RUNS, ROWS, DEPTH = 30, 512, 3
LEVELS = (0.01, 0.05, 0.1)
Times = tuple[float, float]


def tables() -> dict[str, TableSpec]:
    """Names the three tables."""
    digits = load_digits(as_frame=True).frame
    # The 59 columns of digits that vary most, and the class: 60 in all.
    pixels = digits.drop(columns="target").std().sort_values(ascending=False).index[:59]
    frame = digits[[*pixels, "target"]].assign(target=digits.target.astype(str))
    return {
        "German credit": TableSpec("german_credit"),
        "breast_cancer": TableSpec("sklearn:breast_cancer"),
        "digits, 60 columns": TableSpec(frame, target="target", name="digits"),
    }


def timed(run: Callable[[], Any]) -> tuple[Any, Times]:
    """Runs quietly; returns the result, and processor and wall seconds."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        return result, (time.process_time() - cpu, time.perf_counter() - wall)


def ours(train: Table, seed: int) -> SCMGenerator:
    """Fits, and draws the rows of a first episode."""
    generator = SCMGenerator(n_dags=1)
    generator.fit(train, seed=seed, progress=False)
    generator.sample(ROWS, np.random.default_rng(seed))
    return generator


def plain_discovery(codes: NDArray[np.float64], run: int) -> None:
    """Runs PC or FCI once, as shipped."""
    from causallearn.search.ConstraintBased.FCI import fci
    from causallearn.search.ConstraintBased.PC import pc

    rows = np.random.default_rng(run).permutation(len(codes))[: round(RESAMPLED * len(codes))]
    level = LEVELS[run // 2 % len(LEVELS)]
    if run % 2:
        fci(codes[rows], "fisherz", level, show_progress=False)
    else:
        pc(codes[rows], level, "fisherz", show_progress=False)


def plain_fit(frame: pd.DataFrame, dag: NDArray[np.bool_]) -> None:
    """Assigns mechanisms automatically, fits them, and draws as many rows."""
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    names = list(frame)
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((names[i], names[j]) for i, j in np.argwhere(dag))
    model = gcm.StructuralCausalModel(graph)
    gcm.auto.assign_causal_mechanisms(model, frame)
    gcm.fit(model, frame)
    gcm.draw_samples(model, ROWS)


def same_skeleton(codes: NDArray[np.float64]) -> bool:
    """Compares one skeleton at level .05 and the same bound on the conditioning set."""
    from causallearn.search.ConstraintBased.PC import pc

    theirs = pc(codes, 0.05, "fisherz", max_k=DEPTH, show_progress=False).G.graph != 0
    correlations = Correlations.of(Encoded.numerical(codes))
    found = find_skeleton(correlations, 0.05, DEPTH, Allowance(10**9)).adjacent
    return bool((theirs == found).all())


class SlowError(Exception):
    """Ends a run that takes too long."""


@contextlib.contextmanager
def at_most(seconds: float) -> Any:
    """Raises SlowError in the block after so many seconds of processor time."""
    import signal

    def stop(*_: Any) -> None:
        raise SlowError

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def limited(codes: NDArray[np.float64], run: int, limit: float) -> bool:
    """Returns whether a plain run of discovery ended within the limit."""
    try:
        with at_most(limit):
            plain_discovery(codes, run)
    except SlowError:
        return False
    return True


def measure(spec: TableSpec, repeats: int, plain_runs: int, limit: float) -> dict[str, Any]:
    """Times both on one table."""
    train = load_splits(spec, SplitSpec()).train
    prepared = prepare_columns(train)
    nodes = list(prepared.nodes)
    codes = prepared.values[:, nodes]
    columns = [train.schema.columns[j] for j in nodes]
    frame = pd.DataFrame(
        {
            c.name: codes[:, k] if c.is_numerical else codes[:, k].astype(int).astype(str)
            for k, c in enumerate(columns)
        }
    )
    fits = [timed(lambda seed=seed: ours(train, seed)) for seed in range(repeats)]
    graphs = [generator.dags[0] for generator, _ in fits]
    plain = [timed(lambda dag=dag: plain_fit(frame, dag)) for dag in graphs]
    searches = [timed(lambda run=run: limited(codes, run, limit)) for run in range(plain_runs)]
    result: dict[str, Any] = {
        "rows": len(train),
        "nodes": len(nodes),
        "edges of the graphs": [int(dag.sum()) for dag in graphs],
        "plain runs timed": plain_runs,
        "of them cut": sum(not ended for ended, _ in searches),
        "same skeleton": same_skeleton(codes),
    }
    for k, clock in enumerate(("cpu", "wall")):
        own = statistics.median(t[k] for _, t in fits)
        fit = statistics.median(t[k] for _, t in plain)
        search = RUNS * statistics.mean(t[k] for _, t in searches)
        result[clock] = {
            "ours": round(own, 2),
            "plain discovery": round(search, 2),
            "plain fit": round(fit, 2),
            "ratio": round((search + fit) / own, 1),
        }
    return result


def report(results: dict[str, Any], command: str) -> str:
    """Writes the table."""
    packages = ("causal-learn", "dowhy", "scikit-learn", "numpy", "scipy")
    listed = ", ".join(f"{p} {version(p)}" for p in packages)
    lines = ["# Time to the first episode", "", f"`{command}`", ""]
    lines += [f"Python {platform.python_version()}, {listed}.", ""]
    lines += (__doc__ or "").split("\n\n")[-1].strip().splitlines()
    lines += ["", "| table | train rows × nodes | ours s | plain: discovery s + fit s | ratio "]
    lines[-1] += "| ratio by wall time | runs cut | same skeleton |"
    lines.append("|---" * 8 + "|")
    for name, r in results.items():
        cpu = r["cpu"]
        lines.append(
            f"| {name} | {r['rows']} × {r['nodes']} | {cpu['ours']} | {cpu['plain discovery']} + "
            f"{cpu['plain fit']} | {cpu['ratio']} | {r['wall']['ratio']} "
            f"| {r['of them cut']} of {r['plain runs timed']} | {r['same skeleton']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results/discovery"))
    parser.add_argument("--repeats", type=int, default=3, help="fits of each")
    parser.add_argument("--plain-runs", type=int, default=6)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one plain run")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    command = "python benchmarks/discovery.py " + " ".join(sys.argv[1:])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    with threadpool_limits(1):
        for name, spec in tables().items():
            results[name] = measure(spec, options.repeats, options.plain_runs, options.limit)
            content = {"command": command, "results": results}
            options.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
            options.out.with_suffix(".md").write_text(report(results, command))
            print(name, results[name], file=sys.stderr)
    print(report(results, command))


if __name__ == "__main__":
    main()
