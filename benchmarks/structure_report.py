"""Averages over tables, and intervals over seeds, of what `structure.py` measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lit_causalmix.study.statistics import student_interval

MEASURES = {"f1": "F1", "orientation": "orientation", "shd": "SHD", "ece": "ECE"}
DIGITS = {"f1": 3, "orientation": 3, "shd": 1, "ece": 4}
Row = dict[str, Any]


def key(row: Row) -> tuple[Any, ...]:
    """Names the table of a row."""
    return row["kind"], row["network"], row["rows"], row["seed"]


def per_seed(rows: Sequence[Row], method: str, tables: set[Any], measure: str) -> list[float]:
    """Averages one measure of one method over the tables of each seed."""
    seeds = sorted({table[-1] for table in tables})
    found = [
        [
            r[measure]
            for r in rows
            if r["method"] == method and r["seed"] == seed and key(r) in tables
        ]
        for seed in seeds
    ]
    return [float(np.nanmean(values)) for values in found]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % t interval; the latter is NaN for a single value."""
    found = student_interval(np.asarray(values), 0.95)
    return found.value, found.high - found.value


def number(values: Sequence[float], measure: str) -> str:
    """Writes a mean with its interval."""
    mean, half = interval(values)
    digits = DIGITS[measure]
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def section(rows: Sequence[Row], methods: Sequence[str], ours: str, versus: str) -> list[str]:
    """Writes a table of methods, and one of the paired differences between two of them."""
    lines = ["| method | tables | F1 | orientation | SHD | ECE | median s |", "|---" * 7 + "|"]
    everything = {key(r) for r in rows}
    for method in methods:
        done = [r for r in rows if r["method"] == method and r["seconds"] is not None]
        tables = {key(r) for r in done}
        if not done:
            continue
        note = f"{len(tables)}"
        if tables < everything:
            there = ", ".join(number(per_seed(rows, ours, tables, m), m) for m in MEASURES)
            note += f" (ours there: {there})"
        cells = [number(per_seed(done, method, tables, m), m) for m in MEASURES]
        seconds = float(np.median([r["seconds"] for r in done]))
        lines.append(f"| {method} | {note} | {' | '.join(cells)} | {seconds:.2f} |")
    both = {key(r) for r in rows if r["method"] == versus and r["seconds"] is not None}
    if both:
        pairs = [
            np.subtract(per_seed(rows, ours, both, m), per_seed(rows, versus, both, m)).tolist()
            for m in MEASURES
        ]
        cells = [number(d, m) for d, m in zip(pairs, MEASURES, strict=True)]
        lines.append(f"| *{ours} − {versus}* | {len(both)} | {' | '.join(cells)} | |")
    return lines


def report(rows: Sequence[Row], methods: Sequence[str], ours: str, versus: str) -> list[str]:
    """Writes the averages per kind of network and number of rows, and over all of them."""
    lines: list[str] = []
    sizes = sorted({r["rows"] for r in rows})
    kinds = list(dict.fromkeys(r["kind"] for r in rows))
    for kind in ("all", *kinds):
        own = [r for r in rows if kind in (r["kind"], "all")]
        names = ", ".join(sorted({r["network"] for r in own}))
        lines += ["", "## all tables" if kind == "all" else f"## {kind}: {names}"]
        shown = [m for m in methods if kind != "all" or _everywhere(rows, m)]
        if kind == "all" and len(sizes) > 1:
            lines += ["", *section(own, shown, ours, versus)]
        for size in sizes:
            lines += ["", f"{size:,} rows:", ""]
            lines += section([r for r in own if r["rows"] == size], shown, ours, versus)
    return lines


def _everywhere(rows: Sequence[Row], method: str) -> bool:
    return {r["kind"] for r in rows} == {r["kind"] for r in rows if r["method"] == method}
