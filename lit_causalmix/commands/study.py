"""The command `lit-causalmix study`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from lit_causalmix.configuration import Parser
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import meant
from lit_causalmix.study.checksums import Checksum, built_and_noted, known, known_or_built
from lit_causalmix.study.choice import (
    RESULTS,
    add_choice,
    add_min_gain,
    chosen_cells,
    chosen_study,
)
from lit_causalmix.study.comparison import comparison_table
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.record import FAILED, OK
from lit_causalmix.study.reselection import reselected
from lit_causalmix.study.results import finished
from lit_causalmix.study.runner import RunOptions, distinct, pending, run_study
from lit_causalmix.study.store import Store, check_folder
from lit_causalmix.study.transfer import export, merge


def main(argv: Sequence[str]) -> int:
    """Runs a command; results go to stdout, progress to stderr.

    Args:
        argv: The arguments after `study`, at least one.

    Returns:
        The exit status: 0, or 1 where cells of a run failed.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    command, *rest = argv
    if command not in COMMANDS:
        raise ConfigurationError(
            f"unknown command study {command!r}{meant(command, COMMANDS)}: there are "
            f"{', '.join(COMMANDS)}"
        )
    return COMMANDS[command](rest)


def _run(argv: Sequence[str]) -> int:
    parser = _study_parser("run", "Runs the cells of a study that are not finished.")
    parser.add_class_arguments(RunOptions, as_group=True)
    parser.add_argument("--plan", action="store_true", help="say what there is to do, and stop")
    options = parser.parse_args(list(argv))
    cells, store = _prepared(options, known if options.plan else built_and_noted)
    if options.plan:
        return _say(_state(cells, store))
    given = RunOptions(**{name: options[name] for name in RunOptions.__dataclass_fields__})
    counts = run_study(cells, store, given)
    _say(_state(cells, store))
    if not pending(cells, store, retry_failed=False):
        _say(_comparison(cells, store))
    return 1 if counts[FAILED] else 0


def _comparison(cells: Sequence[Cell], store: Store) -> str:
    """The comparison table, or why a finished study has none."""
    try:
        return comparison_table(finished(store, cells))
    except ConfigurationError as error:
        return f"no comparison: {error}"


def _status(argv: Sequence[str]) -> int:
    parser = _study_parser("status", "Says how far a study is.")
    cells, store = _prepared(parser.parse_args(list(argv)), known)
    return _say(_state(cells, store))


def _table(argv: Sequence[str]) -> int:
    parser = _study_parser("table", "Prints the comparison table of the finished cells.")
    parser.add_argument("--metric", type=str | None, help="a metric, such as log_loss or mae")
    add_min_gain(parser)
    options = parser.parse_args(list(argv))
    cells, store = _prepared(options, known_or_built)
    records = finished(store, cells)
    if options.min_gain is not None:
        records = reselected(records, options.min_gain)
    return _say(comparison_table(records, metric=options.metric))


def _report(argv: Sequence[str]) -> int:
    from lit_causalmix.commands.study_report import main as report_main

    return report_main(argv)


def _export(argv: Sequence[str]) -> int:
    parser = _study_parser("export", "Writes the finished cells into one compact file.")
    parser.add_argument("--to", type=str | None, help="the file; default: OUT.jsonl.gz")
    options = parser.parse_args(list(argv))
    cells, store = _prepared(options, known_or_built)
    path = Path(options.to) if options.to else store.root.with_name(f"{store.root.name}.jsonl.gz")
    count = export(store, path, keys=[cell.key for cell in cells])
    return _say(f"{count} finished cells: {path}")


def _merge(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="lit-causalmix study merge",
        description="Takes the results of exported files, or of other folders. A finished cell "
        "stays as it is.",
    )
    parser.add_argument("sources", nargs="+", type=str, help="files of study export, or folders")
    parser.add_argument("--out", type=str, required=True, help="the folder that takes them")
    options = parser.parse_args(list(argv))
    check_folder(Path(options.out))
    store, whole = Store(Path(options.out)), True
    for source in options.sources:
        try:
            result = merge(store, Path(source))
        except ConfigurationError as error:
            sys.stderr.write(f"lit-causalmix: error: {error}\n")
            whole = False
            continue
        _say(f"{source}: {result.added} taken, {result.known} known before")
        for key in result.different:
            sys.stderr.write(
                f"lit-causalmix: note: {key} has other scores in {source}; those here stay\n"
            )
        for line in result.refused:
            sys.stderr.write(f"lit-causalmix: note: {line}\n")
        whole = whole and not result.refused
    return 0 if whole else 1


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": _run,
    "status": _status,
    "table": _table,
    "report": _report,
    "export": _export,
    "merge": _merge,
}
"""Commands by name; a new one is one entry."""


def _study_parser(command: str, description: str) -> Parser:
    parser = Parser(prog=f"lit-causalmix study {command}", description=description)
    add_choice(parser, required=True)
    parser.add_argument(
        "--out", type=str | None, help="folder of the results; default: runs/study/NAME"
    )
    return parser


def _prepared(
    options: Namespace, checksum: Callable[[Store], Checksum]
) -> tuple[list[Cell], Store]:
    """The plan and the store; what `checksum` makes of the store says whether anything is built."""
    name, spec = chosen_study(options)
    out = Path(options.out) if options.out else RESULTS / name
    check_folder(out)
    store = Store(out)
    return chosen_cells(spec, options, checksum(store)), store


def _state(cells: Sequence[Cell], store: Store) -> str:
    """Cells by status, in all and by method."""
    fits = distinct(cells)
    records = {cell.key: store.get(cell.key) for cell in fits}
    status = {key: record["status"] if record else "to run" for key, record in records.items()}
    counts = Counter(status.values())
    lines = [
        f"{len(cells)} cells, {len(fits)} different fits: {counts[OK]} finished, "
        f"{counts[FAILED]} failed, {counts['to run']} to run; {store.root}"
    ]
    for axis in ("method", "backbone", "table", "seed"):
        groups: dict[Any, Counter[str]] = {}
        for cell in cells:
            groups.setdefault(cell.labels[axis], Counter())[status[cell.key]] += 1
        parts = [f"{name} {c[OK]}/{c.total()}" for name, c in groups.items()]
        lines.append(f"  {axis}: {', '.join(parts)}")
    unknown = sorted({cell.backbone for cell in fits if cell.weights is None})
    if unknown:
        lines.append(
            f"  the weights of {', '.join(unknown)} are known once study run has built it: until "
            "then its cells count as to run"
        )
    seconds = [r["seconds"]["total"] for r in records.values() if r and r["status"] == OK]
    if seconds and counts["to run"]:
        hours = sum(seconds) / len(seconds) * counts["to run"] / 3600
        lines.append(
            f"  {sum(seconds) / len(seconds):.1f} s per cell so far: {hours:.1f} h to go with one "
            "job"
        )
    failed = [record for record in records.values() if record and record["status"] == FAILED]
    for record in failed[:10]:
        lines.append(
            f"  failed: {record['method']} on {record['table']}, seed {record['seed']}: "
            f"{record['error']}"
        )
    if failed:
        lines.append("  try failed cells again with study run --retry_failed true")
    return "\n".join(lines)


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0
