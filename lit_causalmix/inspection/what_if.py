"""What one row would have been: a question, its answer in draws, and the section that tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.base import ConditionalGenerator
from lit_causalmix.pages.content import Paragraph, Part, Section, Table
from lit_causalmix.tables.coding import decode
from lit_causalmix.tables.schema import Column, Schema
from lit_causalmix.tables.table import TableSplits

DRAWS = 1000
_SHOWN_LABELS = 3


@dataclass(frozen=True)
class Question:
    """Asks what a row would have been, had some columns had other values.

    Attributes:
        row: Its position in the source, counted from 0; a training or validation row.
        do: By column, a number (numerical) or a label (any other kind).
    """

    row: int
    do: dict[str, float | str]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """A question with its answer.

    Attributes:
        question: What was asked.
        real: The row as it is, coded, float64 (C + 1,).
        found: What it would have been, coded, float64 (n, C + 1), one row per draw.
    """

    question: Question
    real: NDArray[np.float64]
    found: NDArray[np.float64]


def row_of(splits: TableSplits, position: int) -> NDArray[np.float64]:
    """The coded row, float64 (C + 1,), at a position of the source.

    Raises:
        ConfigurationError: If no training or validation row stands there.
    """
    for part in (splits.train, splits.val):
        at = np.flatnonzero(part.rows == position)
        if len(at):
            row: NDArray[np.float64] = part.values[at[0]]
            return row
    some = ", ".join(map(str, np.sort(splits.val.rows)[:5]))
    raise ConfigurationError(
        f"what_if.row names a training or validation row by its position in the source, such as "
        f"{some}; {position} is none"
    )


def ask(generator: object, splits: TableSplits, question: Question, seed: int) -> WhatIf:
    """Draws the answer to a question.

    Raises:
        ConfigurationError: If the generator knows no causes, or there is no such row, column or
            label.
    """
    if not isinstance(generator, ConditionalGenerator):
        raise ConfigurationError(
            f"what_if needs a generator that knows causes, SCMGenerator for one: "
            f"{type(generator).__name__} does not"
        )
    real = row_of(splits, question.row)
    found = generator.counterfactual(real, question.do, n=DRAWS, seed=seed)
    return WhatIf(question, real, found)


def what_if_section(what_if: WhatIf, schema: Schema) -> Section:
    """Tells the question, what becomes of the target, and of every column that moves."""
    real, found, question = what_if.real, what_if.found, what_if.question
    same = (found == real) | (np.isnan(found) & np.isnan(real))
    rows = [
        (column.name, *cells(column, schema, j, real, found), _share(1 - same[:, j].mean()))
        for j, column in enumerate(schema.columns)
        if not same[:, j].all()
    ]
    target, at = schema.target, len(schema.columns) - 1
    was, would = cells(target, schema, at, real, found)
    stays = "It would have stayed as it is." if same[:, at].all() else f"Now it is {was}."
    told = Paragraph(
        f"What if row {question.row} had had {_wanted(question.do)}? Its target {target.name} "
        f"would have been {would}. {stays}",
        "says",
    )
    how = Paragraph(
        f"{len(found)} draws, spread over the sampled graphs. The row keeps the noise that "
        "explains it under each model; behind a category that noise is known up to a range. What "
        "the models do not join to the changed columns stays as it is. This is what the fitted "
        "models say, and no better than their graphs."
    )
    table = Table(("column", "is", "would have been", "changed in"), rows, numbers=(3,))
    return Section("what-if", "What if", [Part([told, how, *([table] if rows else [])])])


def cells(
    column: Column, schema: Schema, j: int, real: NDArray[np.float64], found: NDArray[np.float64]
) -> tuple[str, str]:
    """A column as it is, and as it would have been, in words."""
    frame = decode(schema, np.vstack([real, found]))[column.name]
    was = "missing" if np.isnan(real[j]) else _told(frame.iloc[0])
    known = frame[1:].dropna()
    if known.empty:
        return was, "missing"
    if column.is_numerical and known.nunique() > 1:
        ordered = known.sort_values(ignore_index=True)
        low, middle, high = (
            _told(ordered[round(q * (len(ordered) - 1))]) for q in (0.05, 0.5, 0.95)
        )
        return was, middle if low == high else f"{middle} ({low} to {high} in nine of ten draws)"
    counts = known.value_counts(sort=False)
    shares = sorted(
        ((str(_told(v)), int(n)) for v, n in counts.items()), key=lambda p: (-p[1], p[0])
    )
    if len(shares) == 1:
        return was, shares[0][0]
    parts = [f"{label} ({_share(n / len(known))})" for label, n in shares[:_SHOWN_LABELS]]
    return was, ", ".join(parts) + (", …" if len(shares) > _SHOWN_LABELS else "")


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "under 1%"


def _told(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _wanted(do: Mapping[str, float | str]) -> str:
    return " and ".join(f"{name} = {_told(value)}" for name, value in do.items())
