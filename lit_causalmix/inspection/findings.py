"""What a person should know about a table before trusting anything learned from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.inspection.traps import traps
from lit_causalmix.metrics.quality.records import row_numbers
from lit_causalmix.tables.schema import Column, Schema
from lit_causalmix.tables.table import Table, class_counts

RARE_CLASS_ROWS = 10
NEARLY_CONSTANT = 0.99
MANY_MISSING = 0.3
IDENTIFIER_ROWS = 50
"""Thresholds of what is worth a remark [our choice]."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column, as its training rows show it.

    Attributes:
        name: As in the source.
        kind: "numerical", …; with "target" for the target.
        values: Range or most frequent categories.
        distinct: Different values.
        missing: Share of missing cells.
        problem: What may mislead discovery or training; empty where nothing does.
        remark: What is odd besides.
    """

    name: str
    kind: str
    values: str
    distinct: int
    missing: float
    problem: str
    remark: str


def column_facts(train: Table) -> list[ColumnFacts]:
    """Describes every column, features in source order, then the target."""
    columns = train.schema.columns
    return [
        _facts(column, train.values[:, j], target=j == len(columns) - 1)
        for j, column in enumerate(columns)
    ]


def _facts(column: Column, codes: NDArray[np.float64], *, target: bool) -> ColumnFacts:
    known = codes[~np.isnan(codes)]
    values, counts = np.unique(known, return_counts=True)
    missing = 1 - len(known) / len(codes)
    if not len(known):
        text = "none"
    elif column.is_numerical:
        low, middle, high = (_number(column, np.quantile(known, q)) for q in (0, 0.5, 1))
        text = f"{low} to {high}, median {middle}"
    else:
        text = ", ".join(
            f"{column.categories[int(values[i])]} ({_share(counts[i] / len(known))})"
            for i in np.argsort(-counts, kind="stable")[:4]
        ) + (f" and {len(values) - 4} more" if len(values) > 4 else "")
    kind = str(column.kind) + (" (target)" if target else "")
    return ColumnFacts(
        column.name,
        kind,
        text,
        len(values),
        missing,
        _problem(column, counts, missing),
        _remark(column, counts),
    )


def _share(share: float) -> str:
    """Whole percent; only nothing is 0 % and only all is 100 %."""
    if 0.99 < share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def _number(column: Column, value: np.float64) -> str:
    if column.date_format:
        return str(np.datetime64(int(value), "D"))
    return f"{value:.6g}"


def _problem(column: Column, counts: NDArray[np.int64], missing: float) -> str:
    rows = int(counts.sum())
    found = []
    if not rows:
        found.append("no value in the training rows")
    elif len(counts) == 1:
        found.append("constant in the training rows")
    elif counts.max() / rows >= NEARLY_CONSTANT:
        found.append(f"one value in {counts.max() / rows:.1%} of the rows")
    whole = column.integer and rows >= IDENTIFIER_ROWS and len(counts) == rows
    if whole or (not column.is_numerical and 2 * len(counts) > rows > 2):
        found.append(
            "nearly every row has a value of its own: an identifier? Leave it out by "
            f"--data.table.drop '[{column.name}]'"
        )
    if missing >= MANY_MISSING:
        found.append(f"{missing:.0%} of the cells missing")
    return "; ".join(found)


def _remark(column: Column, counts: NDArray[np.int64]) -> str:
    single = 0 if column.is_numerical else int((counts == 1).sum())
    if not single:
        return ""
    return f"{single} categor{'y has' if single == 1 else 'ies have'} a single row"


def problems(train: Table) -> list[str]:
    """Says in sentences what may go wrong with these training rows."""
    facts = column_facts(train)
    found = [f"Column {fact.name!r}: {fact.problem}." for fact in facts if fact.problem]
    return [
        *traps(train),
        *_rare_classes(train),
        *_repeated_rows(train),
        *_gaps(facts),
        *found,
    ]


def _rare_classes(train: Table) -> Iterable[str]:
    rare = [(c, n[0]) for c, n in class_counts(train) if n[0] < RARE_CLASS_ROWS]
    if rare:
        listed = ", ".join(f"{name!r} ({count})" for name, count in rare[:10])
        yield (
            f"{len(rare)} class(es) of {train.schema.target.name!r} have fewer than "
            f"{RARE_CLASS_ROWS} training rows: {listed}. Neither structure nor scores say much "
            "about them."
        )


def _repeated_rows(train: Table) -> Iterable[str]:
    n = len(train)
    whole = _n_distinct(train.values)
    if whole < n:
        yield (
            f"{n - whole} of {n} training rows ({(n - whole) / n:.1%}) repeat another one; such "
            "rows never straddle two splits."
        )
    conflicts = whole - _n_distinct(train.features)
    if conflicts > 0 and train.schema.task.is_classification:
        yield (
            f"{conflicts} training rows have the same features as another one and a different "
            "class: no model can tell them apart."
        )


def _gaps(facts: list[ColumnFacts]) -> Iterable[str]:
    gaps = [fact for fact in facts if fact.missing > 0]
    if gaps:
        worst = max(gaps, key=lambda fact: fact.missing)
        yield (
            f"{len(gaps)} of {len(facts)} columns have missing cells, most of them "
            f"{worst.name!r} ({worst.missing:.0%})."
        )


def _n_distinct(rows: NDArray[np.float64]) -> int:
    return int(row_numbers(rows).max(initial=-1)) + 1


def feature_summary(schema: Schema) -> str:
    """The features by kind, in a few words: "20 features (7 numerical, 13 categorical)"."""
    kinds = [str(column.kind) for column in schema.features]
    parts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return f"{len(kinds)} features ({', '.join(parts)})"
