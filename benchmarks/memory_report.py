"""The page about forecasts of memory: how far they lie from the peaks that were measured."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from typing import Any

import torch

Cell = dict[str, Any]

HEAP_MODES = ("training", "prediction")
"""Modes that are measured with the C library's own heap, too."""


def report(rows: Sequence[Cell], command: str, about: str) -> str:
    """The page.

    Args:
        rows: The cells, with peaks and forecasts.
        command: What made them.
        about: A docstring, whose first paragraphs are left out.
    """
    facts = f"Python {platform.python_version()}, torch {torch.__version__}"
    lines = ["# Forecasts of memory", "", f"`{command}`", "", f"{facts}.", ""]
    lines += about.split("\n\n", 2)[-1].strip().splitlines()
    lines += [
        "",
        "| backbone | cells | peaks, MiB | median | largest | heap, training | prediction |",
    ]
    lines += ["|---" * 7 + "|"]
    known = [r for r in rows if r["peak"] is not None]
    for name in dict.fromkeys(r["backbone"] for r in known):
        own = [r for r in known if r["backbone"] == name]
        plain = [r for r in own if not r["heap"]]
        told = [r["forecast"] / r["peak"] - 1 for r in plain if r["forecast"] is not None]
        peaks = [r["peak"] for r in plain]
        words = [f"{len(told)} of {len(plain)}", f"{min(peaks):.0f} to {max(peaks):.0f}"]
        if told:
            words += [f"{statistics.median(map(abs, told)):.1%}", f"{max(told, key=abs):+.1%}"]
        else:
            words += ["no forecast", ""]
        words += [_heap(own, mode) for mode in HEAP_MODES]
        lines.append(f"| {name} | {' | '.join(words)} |")
    lines += ["", *_by_mode(known)]
    return "\n".join(lines) + "\n"


def _heap(rows: Sequence[Cell], mode: str) -> str:
    """By which factor the heap takes more, where that was measured."""
    by_heap = [
        {key(r): r["peak"] for r in rows if r["mode"] == mode and r["heap"] is heap}
        for heap in (False, True)
    ]
    return ", ".join(f"{by_heap[1][k] / by_heap[0][k]:.1f}" for k in by_heap[1] if k in by_heap[0])


def key(cell: Cell) -> tuple[int, ...]:
    """The size of a cell."""
    return tuple(cell[n] for n in ("context_rows", "query_rows", "columns", "tables"))


def _by_mode(rows: Sequence[Cell]) -> list[str]:
    lines = ["| mode | cells | median | largest |", "|---|---|---|---|"]
    for mode in dict.fromkeys(row["mode"] for row in rows):
        told = [
            r["forecast"] / r["peak"] - 1
            for r in rows
            if r["mode"] == mode and not r["heap"] and r["forecast"] is not None
        ]
        if told:
            middle, most = statistics.median(map(abs, told)), max(told, key=abs)
            lines.append(f"| {mode} | {len(told)} | {middle:.1%} | {most:+.1%} |")
    return lines
