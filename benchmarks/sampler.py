"""The compiled sampler against DoWhy's `draw_samples`, on the same fitted models.

    OMP_NUM_THREADS=1 python benchmarks/sampler.py --out docs/results/sampler.json

measures three tables (German credit; generated ones of 30 and 60 columns), writes every figure to
the JSON file and the tables to a Markdown file beside it. `--quick` takes seconds; its figures mean
nothing. All figures are ratios of medians of the CPU time of calls that take turns within one
process on one thread. CPU time, because on a busy machine a long call waits for its turn where a
short one does not, which would flatter the shorter.

- **DoWhy**: `gcm.draw_samples` on the very model that was compiled.
- **DoWhy, stock**: the same graph and rows with the mechanisms that DoWhy ships, at their defaults
  (boosted trees: up to 100 trees of 31 leaves, so another model; only for scale).
- **bare torch**: the linear model of a numerical table as a loop over levels in float32, with
  neither support nor categories: a floor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dowhy import gcm
from sampler_problems import N_DAGS, Problem, bare_torch, generated, german_credit, stock_dowhy
from sampler_report import markdown, verdicts

from lit_causalmix.backbones import Backbone, Nano, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.causal.models.fit import fit_scms
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.quiet import quiet_dowhy, single_thread
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec

REPEATS, FEWEST, SECONDS = 41, 5, 3.0
SIZES = (64, 512, 5000)
MECHANISMS = ("linear", "boosting", "forest")
Call = Callable[[], object]


def medians(calls: dict[str, Call], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each call; they take turns, after one warm-up each.

    Slow calls get fewer turns than `repeats`: those that fit into `SECONDS`, at least `FEWEST`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if repeat:
                seconds[name].append(time.process_time() - start)
        if repeat >= FEWEST and time.perf_counter() - begin > SECONDS:
            break
    return {name: float(np.median(found)) for name, found in seconds.items()}


def speed(
    table: str, problem: Problem, mechanism: str, sizes: Sequence[int], repeats: int
) -> list[dict[str, Any]]:
    """Seconds of each way to draw, per number of rows: from one model, then from all K."""
    data, dags = problem
    fitted = fit_scms(data, dags, mechanism=mechanism, seed=0, progress=False)
    ensemble, random = fitted.ensemble, rng(0, "draws")
    model = ensemble.model(0)
    stock = stock_dowhy(data, dags[0], mechanism)
    bare = bare_torch(model, dags[0]) if mechanism == "linear" else None
    cells = []
    for n in sizes:
        one: dict[str, Call] = {
            "dowhy": partial(gcm.draw_samples, fitted.models[0], n),
            "dowhy_stock": partial(gcm.draw_samples, stock, n),
            "ours": partial(model.sample, n, random),
        }
        if bare is not None:
            one["bare_torch"] = partial(bare, n)
        share = -(-n // len(dags))
        every = {
            "dowhy": lambda share=share: [gcm.draw_samples(m, share) for m in fitted.models],
            "ours": partial(ensemble.sample, n, random, rows_per_model=share),
        }
        for graphs, calls in ((1, one), (len(dags), every)):
            facts = {"table": table, "mechanism": mechanism, "graphs": graphs, "rows": n}
            seconds = medians(calls, repeats)
            cells.append(facts | {"seconds": seconds})
            figures = ", ".join(f"{name} {s * 1e3:.2f} ms" for name, s in seconds.items())
            print(*facts.values(), figures, flush=True)
    return cells


def backbones(*, quick: bool) -> dict[str, Backbone]:
    """The embedded model and TabPFN v1; how long a step takes does not hang on the weights."""
    small = TabPFNV1Architecture(dim=16, n_heads=2, n_layers=1, dim_hidden=16) if quick else None
    return {"Nano 1": Nano(1), "TabPFN v1": TabPFNV1(weights=None, architecture=small)}


def shares(*, quick: bool, repeats: int) -> list[dict[str, Any]]:
    """Seconds of drawing an episode's synthetic rows beside those of a training step."""
    cells = []
    with tempfile.TemporaryDirectory() as cache:
        data = CausalMixDataModule(
            TableSpec("german_credit"),
            SplitSpec(max_train_rows=100 if quick else None),
            SCMGenerator(n_dags=N_DAGS, n_resamples=1 if quick else 2),
            cache_dir=cache,
            progress=False,
        )
        data.prepare_data()
        data.setup()
    stream, synthetic = data.train_stream, data.train_stream.synthetic
    if synthetic is None:
        raise RuntimeError("the datamodule draws no synthetic rows")
    rows = round((stream.n_context + stream.n_query) * stream.ratio_at(0, 0))
    indices = itertools.count()
    for name, backbone in backbones(quick=quick).items():
        optimizer = torch.optim.AdamW(backbone.parameters(), lr=1e-5)
        episode = stream.episode(0, 0)

        def step(
            backbone: Backbone = backbone,
            optimizer: torch.optim.Optimizer = optimizer,
            episode: Episode = episode,
        ) -> None:
            optimizer.zero_grad()
            backbone.losses([episode]).mean().backward()
            torch.nn.utils.clip_grad_norm_(backbone.parameters(), 1.0)
            optimizer.step()

        calls: dict[str, Call] = {
            "draw": lambda: synthetic.draw(rows, 0, next(indices)),
            "episode": lambda: stream.episode(0, next(indices)),
            "step": step,
        }
        facts = {"backbone": name, "rows": len(data.splits.train), "synthetic_rows": rows}
        cells.append(facts | {"seconds": medians(calls, repeats)})
        print(*cells[-1].values(), flush=True)
    return cells


def speeds(*, quick: bool, repeats: int) -> list[dict[str, Any]]:
    """Seconds of each way to draw, for every table and mechanism."""
    sizes = (16, 32) if quick else SIZES
    problems = {"generated, 6 columns": generated(6, n=120)} if quick else {}
    if not quick:
        problems["German credit"] = german_credit()
        problems |= {f"generated, {d} columns": generated(d) for d in (30, 60)}
    cells = []
    for table, problem in problems.items():
        for mechanism in MECHANISMS:
            # Forests have no target, and DoWhy takes seconds for many rows of them.
            chosen = sizes[:2] if mechanism == "forest" else sizes
            cells += speed(table, problem, mechanism, chosen, repeats)
    return cells


PARTS = {"speed": speeds, "episode": shares}


def measure(parts: Sequence[str], before: dict[str, Any], *, quick: bool, repeats: int) -> Any:
    """Some parts; the others as they were before.

    Raises:
        RuntimeError: If those were measured with other versions.
    """
    packages = ("dowhy", "numpy", "scikit-learn", "torch", "lit-causalmix")
    versions = {"python": platform.python_version()} | {p: version(p) for p in packages}
    kept = {part: before[part] for part in PARTS if part not in parts}
    if kept and versions != before["versions"]:
        raise RuntimeError(f"{list(kept)} were measured with {before['versions']}: measure all")
    found = kept | {part: PARTS[part](quick=quick, repeats=repeats) for part in parts}
    return {
        "command": "OMP_NUM_THREADS=1 python benchmarks/sampler.py" + " --quick" * quick,
        "versions": versions,
        "fewest": min(repeats, FEWEST),
        "targets": verdicts(found["speed"], found["episode"]),
        **{part: found[part] for part in PARTS},
    }


def main() -> None:
    """Reads the command line, measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/results/sampler.json"))
    parser.add_argument("--quick", action="store_true", help="a check of the format, in seconds")
    parser.add_argument(
        "--repeats", type=int, help=f"timed calls of each kind; {REPEATS}, 2 if quick"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="what to measure; the file of --out keeps the rest",
    )
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # convergence of stock DoWhy
    logging.getLogger("lit_causalmix").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    repeats = options.repeats or (2 if options.quick else REPEATS)
    whole = len(options.parts) == len(PARTS)
    before = {} if whole else json.loads(options.out.read_text(encoding="utf-8"))
    with quiet_dowhy(0), single_thread():
        results = measure(options.parts, before, quick=options.quick, repeats=repeats)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    options.out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
    print(markdown(results))


if __name__ == "__main__":
    main()
