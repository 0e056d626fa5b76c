"""Interventions and conditions by column name and label, turned into columns and codes."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import SetAside
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables.cells import canonical_label
from lit_causalmix.tables.schema import Column, Schema
from lit_causalmix.tables.spec import column_name

logger = logging.getLogger(__name__)

Condition = str | tuple[float, float]
"""A label, or the lowest and highest value, both included."""

Chooser = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""Says of each coded row, float64 (n, C + 1), whether it is chosen, bool (n,)."""


def interventions(
    wanted: Mapping[str, float | str],
    schema: Schema,
    set_aside: Sequence[SetAside],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> dict[int, float]:
    """Returns the coded value of each column that is held.

    Args:
        wanted: A number for a numerical column, a label for any other.
        schema: The columns.
        set_aside: Columns that are no nodes; nothing depends on them, so they cannot be held.
        low: float64 (C + 1,), smallest training value of each column.
        high: float64 (C + 1,), largest; a value beyond them is taken with a warning.

    Raises:
        ConfigurationError: If a column or label is unknown, a value is of the wrong kind, or a
            column is no node.
    """
    idle = {s.column: s for s in set_aside}
    held: dict[int, float] = {}
    for name, value in wanted.items():
        j = _position(name, schema)
        column = schema.columns[j]
        if j in idle:
            sources = ", ".join(repr(schema.columns[s].name) for s in idle[j].sources)
            raise ConfigurationError(
                f"do({name!r}) has no meaning: the column is {idle[j].reason.value} and no node of "
                f"the graph: {f'intervene on {sources}' if sources else 'nothing depends on it'}"
            )
        held[j] = _number(column, value) if column.is_numerical else _code(column, value)
        if not low[j] <= held[j] <= high[j]:
            logger.warning(
                "do(%r = %g) lies outside the training range [%g, %g]: no row shows what follows",
                name,
                held[j],
                low[j],
                high[j],
            )
    return held


def conditions(wanted: Mapping[str, Condition], schema: Schema) -> Chooser:
    """Returns the function that chooses the rows which meet every condition.

    A missing cell meets none.

    Raises:
        ConfigurationError: If a column or label is unknown, or a condition is of the wrong kind.
    """
    ranges: list[tuple[int, float, float]] = []
    for name, value in wanted.items():
        j = _position(name, schema)
        column = schema.columns[j]
        if column.is_numerical:
            ranges.append((j, *_range(column, value)))
        else:
            code = _code(column, value)
            ranges.append((j, code, code))

    def meets(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        chosen = np.ones(len(rows), dtype=bool)
        for j, least, most in ranges:
            chosen &= (rows[:, j] >= least) & (rows[:, j] <= most)
        return chosen

    return meets


def _position(name: object, schema: Schema) -> int:
    names, wanted = [c.name for c in schema.columns], column_name(name, "what is asked for")
    if wanted in names:
        return names.index(wanted)
    near = _near(wanted, names, "columns")
    raise ConfigurationError(f"the table has no column {wanted!r}: {near}")


def _near(given: str, known: Sequence[str], what: str) -> str:
    near = get_close_matches(given, known, n=3, cutoff=0.5)
    more = f" and {len(known) - 10} more" if len(known) > 10 and not near else ""
    listed = ", ".join(map(repr, near or known[:10])) + more
    return f"did you mean {listed}" if near else f"its {what} are {listed}"


def _number(column: Column, value: float | str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (column.integer and not number.is_integer()):
        kind = "a whole" if column.integer else "a finite"
        raise ConfigurationError(
            f"column {column.name!r} takes {kind} number{_unit(column)}, got {value!r}"
        )
    return number


def _code(column: Column, value: object) -> float:
    try:
        label = canonical_label(value)
    except (TypeError, ValueError, ArithmeticError):  # it can stand in no cell
        label = str(value)
    if label in column.categories:
        return float(column.categories.index(label))
    hint = _near(label, column.categories, "labels")
    raise ConfigurationError(f"column {column.name!r} has no label {value!r}: {hint}")


def _unit(column: Column) -> str:
    """What a column of dates counts, which its cells do not show."""
    return " of days since 1970-01-01, as it holds dates" if column.date_format else ""


def _range(column: Column, value: object) -> tuple[float, float]:
    low = high = math.nan
    if not isinstance(value, str | bytes):  # "18" is no range from 1 to 8
        with contextlib.suppress(TypeError, ValueError):
            low, high = (float(v) for v in value)  # type: ignore[attr-defined]
    if not low <= high:
        raise ConfigurationError(
            f"a condition on the numerical column {column.name!r} is (lowest, highest)"
            f"{_unit(column)}, got {value!r}"
        )
    return low, high


SMALLEST, LARGEST = 256, 16_384
"""Rows of one batch."""

MAX_DRAWS = 200_000
"""Rows that are drawn at most before giving up, where the caller says nothing else."""


def collect(
    draw: Callable[[int], NDArray[np.float64]],
    groups: Callable[[NDArray[np.float64]], NDArray[np.intp]],
    quotas: Sequence[int],
    max_draws: int,
) -> tuple[list[NDArray[np.float64]], int]:
    """Draws batches until each group has its rows; the first of each group are kept.

    Args:
        draw: Draws so many rows, float64 (n, C + 1).
        groups: The group of each row, intp (n,); -1 for none.
        quotas: Rows wanted of each group.
        max_draws: Rows drawn at most.

    Returns:
        The rows of each group, fewer than wanted where the draws ran out, and the rows drawn.

    Raises:
        ConfigurationError: If a number is out of its range.
    """
    if max_draws < 1 or min(quotas, default=0) < 0:
        raise ConfigurationError(
            f"rows must be at least 0 and max_draws at least 1, got {sum(quotas)} and {max_draws}"
        )
    found = [draw(0)] * len(quotas)
    drawn, batch = 0, sum(quotas)
    while drawn < max_draws and any(len(f) < q for f, q in zip(found, quotas, strict=True)):
        size = min(max(batch, SMALLEST), LARGEST, max_draws - drawn)
        rows = draw(size)
        drawn += size
        group = groups(rows)
        found = [
            np.concatenate([f, rows[group == g][: q - len(f)]])
            for g, (f, q) in enumerate(zip(found, quotas, strict=True))
        ]
        # What is still wanted, at the rate seen so far, of the group that takes longest.
        batch = max(
            (q - len(f)) * drawn // (len(f) + 1) for f, q in zip(found, quotas, strict=True)
        )
    return found, drawn
