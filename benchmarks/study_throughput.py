"""Core-seconds of cells of a study, phase by phase, against another commit.

    python benchmarks/study_throughput.py --against COMMIT --data FOLDER [--tables …] [--methods …]

Runs the chosen cells of `methods`, seed 0, from this tree and from the other one in turn, each in
one process with one thread, an empty cache and an empty folder of results. Writes tables in
Markdown: medians of processor seconds a cell, without the imports and without training
(`benchmarks/phases.py` says what each phase is), and the largest difference between the trees' test
scores.

    python benchmarks/study_throughput.py --memory 200 --data FOLDER

runs so many small cells of this tree in one process in place of that, and writes the resident
memory along them.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commits import ROOT, importable, run

PHASES = Path(__file__).with_name("phases.py")
RESIDENT = Path(__file__).with_name("resident.py")
TRAINING = ("forward", "backward", "optimiser")
ONCE = ("imports", "plan", "generator", "SCM fit", "discovery")
"""Phases of a whole run, or of the first cell of a table: no part of a cell's own."""


def cells(arguments: argparse.Namespace, out: Path) -> list[str]:
    """The command that runs the chosen cells."""
    return [
        *("study", "run", "--config", "methods", "--seeds", "[0]", "--out", str(out)),
        *("--tables", f"[{', '.join(arguments.tables)}]"),
        *("--only", f"method={','.join(arguments.methods)}"),
        *("--progress", "false"),
    ]


def scores(out: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The test scores of the finished cells by table and method."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for path in out.rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and record.get("status") == "ok":
            found[record["table"], record["method"]] = record["scores"]["test"]
    return found


def difference(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> float:
    """Largest absolute difference between scores that both have; NaN where there are none."""
    gaps = [
        abs(value - other[cell][name])
        for cell, values in one.items()
        for name, value in values.items()
        if value is not None and other.get(cell, {}).get(name) is not None
    ]
    return max(gaps, default=math.nan)


def grouped(seconds: Mapping[str, float], n_cells: int) -> dict[str, float]:
    """Seconds a cell: training, beyond it, both."""
    training = sum(seconds.get(name, 0.0) for name in TRAINING) / n_cells
    once = sum(seconds.get(name, 0.0) for name in ONCE)
    whole = (sum(seconds.values()) - once) / n_cells
    parts = {n: s / n_cells for n, s in seconds.items() if n not in (*TRAINING, *ONCE)}
    return {
        "a cell": whole,
        "training itself": training,
        "beyond training": whole - training,
        **{f"- {name}": s for name, s in sorted(parts.items(), key=lambda p: -p[1])},
    }


def compare(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Lines of the comparison."""
    trees = {
        side: importable(of, folder / side)
        for side, of in (("before", arguments.against), ("after", str(ROOT)))
    }
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in trees}
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    for repeat in range(arguments.repeats):
        for side, tree in trees.items():
            own = folder / side / f"run{repeat}"
            call = [str(PHASES), "phases.json", *cells(arguments, own / "results")]
            ran = run(tree, call, cwd=own, data=arguments.data, cache=own / "cache")
            found[side] = scores(own / "results")
            if ran.code or not found[side]:
                raise SystemExit(f"{side}: exit {ran.code}, no finished cell\n{ran.output}")
            seconds = json.loads((own / "phases.json").read_text(encoding="utf-8"))["seconds"]
            runs[side].append(grouped(seconds, len(found[side])))
            sys.stderr.write(f"{side}: {len(found[side])} cells, {ran.seconds:.1f} s in all\n")
    names = list(dict.fromkeys(name for side in runs for one in runs[side] for name in one))
    lines = [
        f"| processor seconds | {arguments.against} | this tree | ratio |",
        "|---|---|---|---|",
    ]
    for name in names:
        before, after = (statistics.median(one.get(name, 0.0) for one in runs[s]) for s in runs)
        ratio = f"{after / before:.2f}" if before else "-"
        lines.append(f"| {name} | {before:.2f} | {after:.2f} | {ratio} |")
    gap = difference(found["before"], found["after"])
    return [*lines, "", f"Largest difference of a test score: {gap:.1e}"]


def memory(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Lines of the resident memory along many cells."""
    tree = importable(str(ROOT), folder / "tree")
    call = [str(RESIDENT), str(arguments.memory), arguments.tables[0], str(folder / "results")]
    ran = run(tree, call, cwd=folder / "run", data=arguments.data, cache=folder / "cache")
    if ran.code:
        raise SystemExit(ran.output)
    marks: dict[str, float] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return ["| after cell | resident, MB |", "|---|---|"] + [
        f"| {cell} | {megabytes:.0f} |" for cell, megabytes in marks.items()
    ]


def main() -> None:
    """Measures and writes the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--against", help="a commit, or the path of a checkout")
    what.add_argument("--memory", type=int, metavar="CELLS")
    parser.add_argument("--data", required=True, help="folders of tables")
    parser.add_argument("--tables", nargs="+", default=["german_credit", "airfoil_self_noise"])
    parser.add_argument("--methods", nargs="+", default=["default", "causalmixft", "jitter"])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure = compare if arguments.against else memory
        print("\n".join(measure(arguments, Path(name))))


if __name__ == "__main__":
    main()
