"""Splits that a column of the table gives."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.splits import SplitRows

PARTS = ("train", "val", "test")
"""What the cells of a split column say."""


def predefined_rows(
    parts: Cells, blocks: NDArray[np.int64], rows: NDArray[np.int64], grouped: bool
) -> SplitRows:
    """Reads the splits off a column.

    A validation or test row that is identical to a row of an earlier split is left out with a
    warning: training never depends on it. Groups that straddle are refused, as they contradict
    the column.

    Args:
        parts: Cells of the split column.
        blocks: int64 (n,), rows with the same number may not straddle two splits.
        rows: int64 (n,), positions in the source, for messages.
        grouped: Whether blocks come from a group column.

    Returns:
        Indices into the n rows.

    Raises:
        TableError: If a cell is none of `PARTS`, or there are fewer than two training rows, or a
            group straddles.
    """
    number = {label: index for index, label in enumerate(PARTS)}
    lookup = np.array([*(number.get(str(label).lower(), -1) for label in parts.labels), -1])
    part = lookup[parts.codes]
    wrong = np.flatnonzero(part < 0)
    if len(wrong):
        code = parts.codes[wrong[0]]
        found = "nothing" if code < 0 else repr(parts.labels[code])
        raise TableError(
            f"the split column {parts.name!r} holds {', '.join(PARTS)}, but row {rows[wrong[0]]} "
            f"(counted from 0) holds {found}"
        )
    if (part == 0).sum() < 2:
        raise TableError(
            f"the split column {parts.name!r} names {(part == 0).sum()} training row(s): a table "
            "needs two or more"
        )
    late = repeats(part, blocks)
    if late.any() and grouped:
        raise TableError(
            f"{late.sum()} row(s) share a group or all cells with a row of another split, first "
            f"row {rows[late][0]} (counted from 0): correct the split column {parts.name!r}, or "
            "leave out group_column"
        )
    return without_repeats(part, late, rows)


def repeats(part: NDArray[np.int64], blocks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows have the features of a row of an earlier part: bool (n,).

    Args:
        part: int64 (n,), places in `PARTS`.
        blocks: int64 (n,), rows with the same number have the same features.
    """
    earliest = np.full(int(blocks.max()) + 1, len(PARTS))
    np.minimum.at(earliest, blocks, part)
    return np.asarray(part > earliest[blocks])


def without_repeats(
    part: NDArray[np.int64], late: NDArray[np.bool_], rows: NDArray[np.int64]
) -> SplitRows:
    """The rows of each part but those that `repeats` marks, with a warning that counts them.

    Args:
        part: int64 (n,), places in `PARTS`.
        late: bool (n,).
        rows: int64 (n,), positions in the source, for the message.
    """
    if late.any():
        warnings.warn(
            f"{late.sum()} validation or test row(s) are identical to a row of an earlier split "
            f"in all features and are left out, first row {rows[late][0]}",
            stacklevel=3,
        )
    return SplitRows(*(np.flatnonzero((part == value) & ~late) for value in range(3)))
