"""How good is the structure: edge probabilities against single runs on networks with known truth.

    python benchmarks/structure.py --cache ~/.cache/pgmpy --out docs/results/structure

draws rows from public networks (see `structure_networks`), runs lit-causalmix's discovery with its
default settings and single runs of causal-learn as shipped, and writes one file with every score
(.json) and one with averages (.md). Tables that the first already holds are not run again. pgmpy's
wheel is downloaded to the cache folder, not installed.

The single runs get the test that suits the table: chi-square where all columns are discrete,
Fisher's z on the codes elsewhere; level .05, and the same bound of 3 columns to condition on. BOSS
scores by BIC from the covariance of the codes, its default. A run of more than `--limit` processor
seconds counts as failed: its table is left out of that method's average, and ours on the other
tables is given beside it. Two more rows run our discovery with other tests: correlations of
indicators alone, without counting, and Fisher's z on the codes.

Skeleton F1 and orientation (share of the compelled edges found that point right, ½ where open)
should be high, SHD to the true CPDAG and the calibration error low. Mixed tables have the published
structures with mechanisms of our own (`structure_networks.draw_mixed`). A figure is the mean over
seeds of the average over tables, ± the half width of its 95 % t interval over the seeds; the last
row of each table holds paired differences. The settings were chosen on seeds 0 and 100 to 105; that
counting starts at 800 rows, after a look at 500 rows of seeds 1 to 3 too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from causallearn.search.ConstraintBased.FCI import fci
from causallearn.search.ConstraintBased.PC import pc
from causallearn.search.PermutationBased.BOSS import boss
from numpy.typing import NDArray
from structure_networks import PGMPY, columns_of, draw, draw_mixed, load, mixed, truth, wheel
from structure_report import key as table_of
from structure_report import report as averages
from structure_scores import cpdag, scores

from lit_causalmix.causal.graphs.edges import votes
from lit_causalmix.causal.search.discovery import DiscoverySettings, discover
from lit_causalmix.causal.search.encoding import Encoded, encode_for_discovery
from lit_causalmix.tables.schema import Column

NETWORKS = {
    "discrete": ("asia", "child", "insurance", "alarm"),
    "Gaussian": ("ecoli70", "magic-niab", "magic-irri"),
    "mixed": ("child", "insurance", "alarm", "ecoli70"),
}
Matrix = NDArray[np.float64]
OURS, TEST_ALPHA, DEPTH = "lit-causalmix", 0.05, 3


def _test(kind: str) -> str:
    return "chisq" if kind == "discrete" else "fisherz"


def _discover(table: Encoded, columns: list[Column]) -> Matrix:
    names = [c.name for c in columns]
    return discover(table, names, DiscoverySettings(), seed=0, progress=False).matrix


def run_ours(values: Matrix, columns: list[Column], _: str) -> Matrix:
    """Runs our discovery with its default settings."""
    return _discover(encode_for_discovery(values, columns), columns)


def run_ours_correlations(values: Matrix, columns: list[Column], _: str) -> Matrix:
    """Runs our discovery without counting."""
    table = encode_for_discovery(values, columns)
    return _discover(replace(table, categorical=np.zeros_like(table.categorical)), columns)


def run_ours_fisher_z(values: Matrix, columns: list[Column], _: str) -> Matrix:
    """Runs our discovery with Fisher's z on codes."""
    return _discover(Encoded.numerical(values), columns)


def run_pc(values: Matrix, _: list[Column], kind: str) -> Matrix:
    """Runs causal-learn's PC with the test that suits the table."""
    found = pc(values, TEST_ALPHA, _test(kind), max_k=DEPTH, show_progress=False)
    return votes(found.G.graph.astype(int))


def run_pc_fisher_z(values: Matrix, columns: list[Column], _: str) -> Matrix:
    """Runs causal-learn's PC with Fisher's z on codes."""
    return run_pc(values, columns, "any")


def run_fci(values: Matrix, _: list[Column], kind: str) -> Matrix:
    """Runs causal-learn's FCI with the test that suits the table."""
    graph, _ = fci(values, _test(kind), TEST_ALPHA, depth=DEPTH, show_progress=False)
    return votes(graph.graph.astype(int))


def run_boss(values: Matrix, _: list[Column], __: str) -> Matrix:
    """Runs causal-learn's BOSS."""
    return votes(boss(values, "local_score_BIC_from_cov", verbose=False).graph.astype(int))


METHODS: dict[str, Callable[[Matrix, list[Column], str], Matrix]] = {
    OURS: run_ours,
    "ours, correlations alone": run_ours_correlations,
    "ours, Fisher-z": run_ours_fisher_z,
    "PC": run_pc,
    "PC, Fisher-z": run_pc_fisher_z,
    "FCI": run_fci,
    "BOSS": run_boss,
}


def _quietly(
    pipe: Any, run: Callable[..., Matrix], arguments: tuple[Any, ...], limit: float
) -> None:
    signal.setitimer(signal.ITIMER_PROF, limit)  # ends the process
    np.random.seed(0)  # noqa: NPY002 # BOSS draws from the global generator
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        start = time.process_time()
        pipe.send((run(*arguments), time.process_time() - start))


def limited(run: Callable[..., Matrix], *arguments: Any, limit: float) -> tuple[Matrix, float]:
    """Runs in a process of its own, which the limit on its processor time ends.

    Raises:
        TimeoutError: If there is no result by then.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_quietly, args=(there, run, arguments, limit))
    process.start()
    there.close()
    try:
        found: tuple[Matrix, float] = here.recv()
    except EOFError:
        raise TimeoutError from None
    finally:
        process.join()
    return found


def one_table(
    archive: Path, kind: str, name: str, n: int, seed: int, limit: float, methods: set[str]
) -> list[Any]:
    """Runs some methods on one table."""
    network = load(archive, name)
    if kind == "mixed":
        network = mixed(network, 0)
        values = draw_mixed(network, n, seed, 0)
    else:
        values = draw(network, n, seed)
    dag, columns = truth(network), columns_of(network)
    compelled, d = cpdag(dag), len(columns)
    kept = np.flatnonzero(np.ptp(values, axis=0) > 0)
    rows = []
    for method, run in METHODS.items():
        if method not in methods or (method == "PC, Fisher-z" and kind != "discrete"):
            continue
        row = {"kind": kind, "network": name, "rows": n, "seed": seed, "method": method}
        try:
            arguments = (values[:, kept], [columns[j] for j in kept], kind)
            found, seconds = limited(run, *arguments, limit=limit)
            matrix = np.zeros((d, d))
            matrix[np.ix_(kept, kept)] = found
            row |= {"seconds": round(seconds, 2)} | scores(matrix, dag, compelled)
        except TimeoutError:
            row |= {"seconds": None}
        rows.append(row)
    return rows


def report(rows: list[Any], command: str) -> str:
    """Writes what was measured, and the averages."""
    lines = ["# Structure on public networks", "", f"`{command}`", "", versions(), ""]
    lines += (__doc__ or "").split("\n\n", 3)[3].strip().splitlines()
    seeds = sorted({r["seed"] for r in rows})
    lines += ["", f"Seeds {', '.join(map(str, seeds))}."]
    return "\n".join([*lines, *averages(rows, list(METHODS), OURS, "PC")]) + "\n"


def versions() -> str:
    """Names what ran."""
    packages = ("causal-learn", "numpy", "scipy")
    listed = ", ".join(f"{p} {version(p)}" for p in packages)
    return f"Python {platform.python_version()}, {listed}, networks of pgmpy {PGMPY}."


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for pgmpy's wheel")
    parser.add_argument("--out", type=Path, default=Path("docs/results/structure"))
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--limit", type=float, default=60.0, help="processor seconds for one run")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--renew", nargs="*", default=[], help="methods to run again")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.cache.mkdir(parents=True, exist_ok=True)
    archive = wheel(options.cache)
    command = "python benchmarks/structure.py " + " ".join(sys.argv[1:])
    store = options.out.with_suffix(".json")
    store.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Any] = json.loads(store.read_text())["rows"] if store.exists() else []
    rows = [r for r in rows if r["method"] not in options.renew]
    for n, seed, kind in itertools.product(options.rows, options.seeds, NETWORKS):
        for name in NETWORKS[kind]:
            done = {r["method"] for r in rows if table_of(r) == (kind, name, n, seed)}
            wanted = set(options.methods) - done
            rows += one_table(archive, kind, name, n, seed, options.limit, wanted)
            content = {"command": command, "versions": versions(), "rows": rows}
            store.write_text(json.dumps(content, indent=1) + "\n")
            options.out.with_suffix(".md").write_text(report(rows, command))
            print(kind, name, n, seed, file=sys.stderr)
    print(report(rows, command))


if __name__ == "__main__":
    main()
