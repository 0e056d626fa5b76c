"""Processor seconds of the quick start, phase by phase, and of commands around it.

    python benchmarks/quickstart.py --against COMMIT [--repeats 3] [--only quickstart predict …]

Runs each command from this tree and from the other one in turn, in processes of their own with one
thread: the quick start with an empty cache, predictions of 20,000 rows by the model that it keeps,
`fit --help`, `inspect --help`, `card`, `study status`. Writes tables in Markdown: medians of
processor seconds (`os.wait4`), the ratio of the trees, the peak of memory, and the quick start's
seconds by phase (`benchmarks/phases.py`). A command that a tree does not have is left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from commits import ROOT, Ran, importable, run

ROWS = 20_000
PHASES = Path(__file__).with_name("phases.py")
ENTRY = "import sys; from lit_causalmix.commands.main import main; sys.exit(main())"
WRITE_ROWS = """
import sys, pandas as pd
from lit_causalmix.tables import TableSpec
from lit_causalmix.tables.sources import read_source
frame = read_source(TableSpec("german_credit")).frame.drop(columns="creditability")
n = int(sys.argv[2])
pd.concat([frame] * (n // len(frame) + 1), ignore_index=True)[:n].to_csv(sys.argv[1], index=False)
"""
"""Writes the table of the quick start again and again, without its target."""

Command = Callable[[Path, Path], list[str]]
"""Arguments of the interpreter, of the folder of a tree's own files and that of all trees."""


def entry(*arguments: str) -> Command:
    """The command line with these arguments."""
    return lambda _own, _shared: ["-c", ENTRY, *arguments]


def quickstart(own: Path, _shared: Path) -> list[str]:
    """The quick start, timed by phases, with nothing kept of a run before."""
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    return [str(PHASES), str(own / "phases.json"), "fit", "--config", "quickstart"]


def model(own: Path) -> str:
    """Where the quick start keeps its model."""
    return str(own / "runs" / "quickstart" / "version_0" / "model")


def predict(own: Path, shared: Path) -> list[str]:
    """Predictions of many rows by the model that the quick start kept."""
    return ["-c", ENTRY, "predict", "--model", model(own), str(shared / "rows.csv")]


def card(own: Path, _shared: Path) -> list[str]:
    """The card of that model."""
    return ["-c", ENTRY, "card", model(own)]


COMMANDS: Mapping[str, Command] = {
    "quickstart": quickstart,
    "predict": predict,
    "fit --help": entry("fit", "--help"),
    "inspect --help": entry("inspect", "--help"),
    "card": card,
    "study status": entry("study", "status", "--config", "methods", "--tables", "[german_credit]"),
}


def median(runs: list[Ran]) -> Ran | None:
    """The run of median seconds; None where one failed."""
    if not runs or any(one.code for one in runs):
        return None
    return sorted(runs, key=lambda one: one.seconds)[(len(runs) - 1) // 2]


def line(name: str, before: list[Ran], after: list[Ran]) -> str:
    """One command: seconds and megabytes of both trees, and the ratio of their seconds."""
    old, new = median(before), median(after)
    cells = ["-" if m is None else f"{m.seconds:.2f} s, {m.megabytes:.0f} MB" for m in (old, new)]
    ratio = "-" if old is None or new is None else f"{new.seconds / old.seconds:.2f}"
    return f"| {name} | {cells[0]} | {cells[1]} | {ratio} |"


def phase_lines(before: list[dict[str, float]], after: list[dict[str, float]]) -> list[str]:
    """Medians by phase, the longest first."""

    def medians(runs: list[dict[str, float]]) -> dict[str, float]:
        names = {name for one in runs for name in one}
        return {n: statistics.median(one.get(n, 0.0) for one in runs) for n in names}

    old, new = medians(before), medians(after)
    names = sorted(old | new, key=lambda n: -max(old.get(n, 0.0), new.get(n, 0.0)))
    return [f"| {n} | {old.get(n, 0.0):.2f} | {new.get(n, 0.0):.2f} |" for n in names]


def main() -> None:
    """Measures and writes the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", required=True, help="a commit, or the path of a checkout")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--data", default=str(ROOT / "data"), help="tables of `study status`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trees = {
            side: importable(of, folder / side)
            for side, of in (("before", arguments.against), ("after", str(ROOT)))
        }
        rows = ["-c", WRITE_ROWS, str(folder / "rows.csv"), str(ROWS)]
        run(trees["after"], rows, cwd=folder)
        runs: dict[str, dict[str, list[Ran]]] = {n: {s: [] for s in trees} for n in COMMANDS}
        phases: dict[str, list[dict[str, float]]] = {side: [] for side in trees}
        for _ in range(arguments.repeats):
            for command in arguments.only:
                for side, tree in trees.items():
                    own = folder / side / "files"
                    call = COMMANDS[command](own, folder)
                    ran = run(tree, call, cwd=own, data=arguments.data)
                    runs[command][side].append(ran)
                    sys.stderr.write(f"{command}, {side}: {ran.seconds:.2f} s, exit {ran.code}\n")
                    if ran.code:
                        sys.stderr.write(ran.output)
                    elif command == "quickstart":
                        content = json.loads((own / "phases.json").read_text(encoding="utf-8"))
                        phases[side].append(content["seconds"])
    table = [f"| command | {arguments.against} | this tree | ratio |", "|---|---|---|---|"]
    table += [line(n, runs[n]["before"], runs[n]["after"]) for n in arguments.only]
    if phases["before"] and phases["after"]:
        table += ["", "| phase of the quick start | before, s | after, s |", "|---|---|---|"]
        table += phase_lines(phases["before"], phases["after"])
    print("\n".join(table))


if __name__ == "__main__":
    main()
