"""What a robust method would reach, and whether this one does [all thresholds are our choice]."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.content import Mark, Paragraph, Part, Table
from lit_causalmix.study.report.blocks import FEW_TABLES, Block
from lit_causalmix.study.report.parts import csv
from lit_causalmix.study.report.summary import ranking, summary
from lit_causalmix.study.report.words import interval, plain, signed
from lit_causalmix.study.statistics import paired_effects, verdict

_SPREAD, _GAP, _WORSE = 2 / 3, 1 / 2, 0.1
_FEW_SEEDS = 3
_NUMBERS = ["median", "iqr", "worse", "gap_rank", "gap_selection"]
_HEAD = ["target", "found", "met"]
_MARKS: Mapping[str, Mark] = {"yes": "better", "no": "worse", "open": ""}


def targets(block: Block) -> pd.DataFrame:
    """Columns target, found and met: "yes", "no", or "open".

    Open is what lacks a number, everything on fewer than `FEW_TABLES` tables, and with fewer than
    `_FEW_SEEDS` seeds the gap (a): a rank correlation over a handful of checkpoints takes few
    values, and chance can halve its median over tables. The interval is the verdict's, Student's
    over tables: the bootstrap's is too narrow where tables are few.

    Raises:
        ConfigurationError: If the method and the reference cannot be compared.
    """
    effects = paired_effects(block.alike, block.score, block.method, block.reference)
    overall = verdict(effects).overall
    frame = summary(block.main, block.score).set_index("method")
    found = pd.DataFrame(list(_lines(block, frame, overall.low, overall.high)), columns=_HEAD)
    if effects.frame["table"].nunique() < FEW_TABLES:
        found["met"] = "open"
    return found


def _lines(
    block: Block, frame: pd.DataFrame, low: float, high: float
) -> Iterator[tuple[str, str, str]]:
    own, other = (
        dict(zip(_NUMBERS, frame.loc[[method], _NUMBERS].to_numpy(np.float64)[0], strict=True))
        for method in (block.method, block.reference)
    )
    than = block.reference
    few = block.main["seed"].nunique() < _FEW_SEEDS
    try:
        ranks = ranking(block.alike, block.score)[0].ranks
        rank, best = float(ranks.get(block.method, math.nan)), float(ranks.min())
    except ConfigurationError:
        rank = best = math.nan
    yield (
        "best average rank of all methods",
        f"{plain(rank)}, the best is {plain(best)}",
        _met(best - rank, 0.0),
    )
    yield (
        f"median score above that of {than}",
        f"{signed(own['median'])}, {than} {signed(other['median'])}",
        _met(own["median"], other["median"], strictly=True),
    )
    yield (
        f"95 % interval of the mean difference to {than} above 0",
        interval(low, high),
        _met(low, 0.0, strictly=True),
    )
    yield (
        f"interquartile range at most two thirds of that of {than}",
        _ratio(own["iqr"], other["iqr"], than),
        _met(_SPREAD * other["iqr"], own["iqr"]),
    )
    for gap, name in (("gap_rank", "(a)"), ("gap_selection", "(b)")):
        yield (
            f"validation–test gap {name} at most half of that of {than}",
            _ratio(own[gap], other[gap], than),
            "open" if gap == "gap_rank" and few else _met(_GAP * other[gap], own[gap]),
        )
    yield (
        f"at most {_WORSE:.0%} of tables worse than zero-shot by more than 0.1",
        f"{own['worse']:.0%}",
        _met(_WORSE, own["worse"]),
    )


def _ratio(own: float, other: float, than: str) -> str:
    share = f": {own / other:.0%} of it" if other >= 0.005 else ""  # else it is written as 0
    return f"{plain(own)}, {than} {plain(other)}{share}"


def _met(value: float, least: float, *, strictly: bool = False) -> str:
    if math.isnan(value) or math.isnan(least):
        return "open"
    return "yes" if value > least or (value == least and not strictly) else "no"


def targets_part(block: Block) -> Part:
    """The targets and what was found."""
    frame = targets(block)
    marks = {(row, 2): _MARKS[met] for row, met in enumerate(frame["met"])}
    rows = [tuple(map(str, row)) for row in frame.to_numpy()]
    told = (
        f"What {block.method} would have to reach to count as robust; the thresholds are those "
        f"of this project, the paper sets none. Fewer than {FEW_TABLES} tables leave them "
        f"open, and fewer than {_FEW_SEEDS} seeds the gap (a)."
    )
    return Part(
        [Paragraph(told), Table(_HEAD, rows, marks=marks)],
        files=csv(f"{block.slug}_targets", frame),
    )
