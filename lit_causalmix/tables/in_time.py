"""Splits by time: the latest rows are tested, those before them validate, the earliest train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.tables import dates
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.predefined import repeats, without_repeats
from lit_causalmix.tables.spec import DATE, SplitSpec, TableSpec
from lit_causalmix.tables.splits import Ints, SplitRows


def times_of(cells: Cells, spec: TableSpec, rows: Ints) -> NDArray[np.float64]:
    """The times of a column as numbers that grow with time.

    Args:
        cells: Numbers, or dates of one format (`TableSpec.kinds` may name it).
        spec: What is said of the table.
        rows: int64 (n,), positions in the source, for messages.

    Returns:
        float64 (n,): the numbers, or days since 1970-01-01.

    Raises:
        TableError: If a cell is missing, or they are neither numbers nor dates of one format.
    """
    if cells.missing.any():
        raise TableError(
            f"the time column {cells.name!r} is missing in row {rows[cells.missing][0]} (counted "
            "from 0): every row needs a time"
        )
    present = np.flatnonzero(cells.counts)
    values = cells.numbers.copy()
    kind = spec.kinds.get(cells.name, "")
    # Digits whose day comes first grow with time as dates alone, not as numbers.
    if kind.startswith(DATE) or not np.isfinite(values[present]).all():
        labels = [str(label) for label in cells.labels[present]]
        named = kind.removeprefix(DATE).removeprefix(":")
        date_format = named or dates.common_format(cells.name, labels)
        values[present] = [dates.days(label, date_format) for label in labels]
    found: NDArray[np.float64] = values[cells.codes]
    unread = np.isnan(found)
    if unread.any():
        raise TableError(
            f"row {rows[unread][0]} (counted from 0) holds "
            f"{str(cells.labels[cells.codes[unread][0]])!r} in the time column {cells.name!r}, "
            "which is no date of its format"
        )
    return found


def rows_by_time(
    times: NDArray[np.float64], blocks: Ints, rows: Ints, split: SplitSpec
) -> SplitRows:
    """Cuts the rows by time, so that none is later than one of a later part.

    Rows of one time stay together, in the later part. A validation or test row that has the
    features of a row of an earlier part is left out with a warning, so that none is tested that was
    trained on.

    Args:
        times: float64 (n,).
        blocks: int64 (n,), rows with the same number have the same features.
        rows: int64 (n,), positions in the source, for messages.
        split: Fractions, as without times; its seed chooses nothing here.

    Returns:
        Indices into the n rows.

    Raises:
        TableError: If a part that is wanted comes out empty.

    Example:
        >>> split = SplitSpec(val_fraction=0.25, test_fraction=0.2)
        >>> rows = rows_by_time(np.array([5.0, 1, 2, 4, 3]), np.arange(5), np.arange(5), split)
        >>> rows.train.tolist(), rows.val.tolist(), rows.test.tolist()
        ([1, 2, 4], [3], [0])
    """
    n_test = round(split.test_fraction * len(times))
    n_val = round(split.val_fraction * (len(times) - n_test))
    part = np.zeros(len(times), dtype=np.int64)
    ordered = np.sort(times)
    if n_val:
        part[times >= ordered[len(times) - n_test - n_val]] = 1
    if n_test:
        part[times >= ordered[len(times) - n_test]] = 2
    late = repeats(part, blocks)
    for number, (name, wanted) in enumerate(
        (("training", True), ("validation", n_val), ("test", n_test))
    ):
        if wanted and not (part == number).any():
            raise TableError(
                f"no row is left for the {name} split: {len(np.unique(times))} different times of "
                f"{len(times)} rows, val_fraction {split.val_fraction}, test_fraction "
                f"{split.test_fraction}; times that are finer, or other fractions, would part them"
            )
        if wanted and late[part == number].all():
            raise TableError(
                f"no row is left for the {name} split: all {(part == number).sum()} have the "
                "features of an earlier row, so that training has seen them; leave out time_column"
            )
    return without_repeats(part, late, rows)
