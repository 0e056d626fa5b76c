"""Which rows train, validate and test: chosen before anything is learned from the table.

Whether a row is drawn depends on the seed, its position and its stratum; a block (rows that are
identical or share a group) is drawn as its first row. So changing the features of test rows leaves
every split as it is, as long as no twins are made or parted across splits. Changing a test row's
*target* changes the strata and may change the split: no stratified split can be free of that; a
predefined one (`TableSpec.split_column`) is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.spec import SplitSpec
from lit_causalmix.tables.task import LEAST_CLASS_ROWS

MOST_BINS = 10
"""Quantile bins that stratify a regression target [our choice]."""

_ROWS_PER_BIN = 20

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Rows of each split: int64, ascending indices, disjoint."""

    train: Ints
    val: Ints
    test: Ints


def identical_rows(columns: Sequence[Cells]) -> Ints:
    """Numbers the distinct rows, int64 (n,): equal numbers mean that all cells are equal.

    Cells are equal when both are missing, when their numbers are equal, or else their labels.
    """

    def key(cells: Cells) -> Ints:
        codes = np.arange(len(cells.labels) + 1)
        is_number = np.flatnonzero(~np.isnan(cells.numbers))
        first = np.unique(cells.numbers[is_number], return_index=True, return_inverse=True)[1:]
        codes[is_number] = is_number[first[0][first[1]]]
        return codes[cells.codes]

    def join(rows: Ints, cells: Cells) -> Ints:
        return distinct(rows * (len(cells.labels) + 1) + key(cells))

    return reduce(join, columns, np.zeros(len(columns[0]), dtype=np.int64))


def distinct(values: NDArray[np.int64]) -> Ints:
    """Numbers the distinct values, int64 (n,)."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def joined_blocks(rows: Ints, groups: Ints) -> Ints:
    """Joins rows that share a row number or a group (-1: none), transitively; int64 (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(rows.max()) + 1
    grouped = groups >= 0
    size = n + int(groups.max(initial=0)) + 1
    pairs = (np.ones(int(grouped.sum())), (rows[grouped], n + groups[grouped]))
    labels = connected_components(coo_array(pairs, shape=(size, size)), directed=False)[1]
    return np.asarray(labels[rows], dtype=np.int64)


def target_strata(target: NDArray[np.float64]) -> Ints:
    """Strata of a regression target by its quantiles, int64 (n,); a value may fill several."""
    bins = int(np.clip(len(target) // _ROWS_PER_BIN, 1, MOST_BINS))
    edges = np.quantile(target, np.arange(1, bins) / bins)
    return np.searchsorted(np.unique(edges), target, side="right").astype(np.int64)


def choose_rows(
    strata: Ints, blocks: Ints, positions: Ints, split: SplitSpec, *, classes: bool
) -> SplitRows:
    """Draws the splits: test rows from all rows, then validation rows from the rest.

    Args:
        strata: int64 (n,), class or quantile bin of each row.
        blocks: int64 (n,), rows with the same number land in one split.
        positions: int64 (n,), position of each row in the source.
        split: Seed, fractions; limits are applied by `limit_rows`.
        classes: Whether strata are classes, each of which then keeps two training rows.

    Returns:
        Indices into the n rows.

    Raises:
        TableError: If a split that is wanted comes out empty.
    """

    def drawn(val_fraction: float) -> SplitRows:
        part = np.zeros(len(strata), dtype=np.int64)  # 0 train, 1 validation, 2 test
        for number, name, fraction in (
            (2, "test", split.test_fraction),
            (1, "val", val_fraction),
        ):
            keys = rng(split.seed, "split", name).random(int(positions.max()) + 1)[positions]
            open_rows = np.flatnonzero(part == 0)
            taken = _draw(strata[open_rows], blocks[open_rows], keys[open_rows], fraction)
            part[open_rows[taken]] = number
        if classes:
            _return_rare(part, strata, blocks)
        return SplitRows(*(np.flatnonzero(part == number) for number in range(3)))

    rows = drawn(split.val_fraction)
    if not len(rows.train):
        name, remedy = "training", "lower the fractions"
    elif split.val_fraction and not len(rows.val):
        name, remedy = "validation", _larger(split.val_fraction, drawn)
    elif split.test_fraction and not len(rows.test):
        name, remedy = "test", "raise test_fraction, set it to 0 to do without one"
    else:
        return rows
    raise TableError(
        f"no row is left for the {name} split: {len(strata)} rows in {len(np.unique(blocks))} "
        f"blocks of identical or grouped rows, val_fraction {split.val_fraction}, test_fraction "
        f"{split.test_fraction}; {remedy}, or give more rows"
    )


def _larger(fraction: float, drawn: Callable[[float], SplitRows]) -> str:
    """What to do for validation rows, which a fit selects by: 0 would only be refused later on."""
    for percent in range(int(100 * fraction) + 1, 100):
        rows = drawn(percent / 100)
        if len(rows.val) and len(rows.train):
            return f"raise val_fraction, which has a row from {percent / 100} on"
    return "no val_fraction leaves rows to both training and validation: make blocks smaller"


def _draw(
    strata: Ints, blocks: Ints, keys: NDArray[np.float64], fraction: float
) -> NDArray[np.bool_]:
    """Draws a share of each stratum in blocks, in the order of the keys of their first rows."""
    _, first, block, sizes = np.unique(
        blocks, return_index=True, return_inverse=True, return_counts=True
    )
    stratum, key = strata[first], keys[first]
    taken = np.zeros(len(first), dtype=bool)
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        members = members[np.argsort(key[members], kind="stable")]
        quota = int(np.floor(fraction * sizes[members].sum() + 0.5))
        if (sizes[members] == 1).all():
            taken[members[:quota]] = True
            continue
        for member, size in zip(members, sizes[members], strict=True):
            if size <= 2 * quota:  # never further above the quota than it was below
                taken[member] = True
                quota -= int(size)
    return taken[block]


def _return_rare(part: Ints, strata: Ints, blocks: Ints) -> None:
    """Moves blocks of a class back, from validation first, until training has two of its rows."""
    for value in np.unique(strata):
        for source in (1, 2):
            for row in np.flatnonzero((part == source) & (strata == value)):
                if ((part == 0) & (strata == value)).sum() >= LEAST_CLASS_ROWS:
                    break
                part[blocks == blocks[row]] = 0


def limit_rows(strata: Ints, keys: NDArray[np.float64], limit: int, least: int) -> Ints:
    """Picks at most `limit` rows, stratified; a smaller limit picks a subset of a larger one's.

    Args:
        strata: int64 (n,), class or quantile bin of each row.
        keys: float64 (n,), random keys that order the rows of a stratum.
        limit: Most rows.
        least: Rows of each stratum that come before all others.

    Returns:
        int64, ascending indices of the rows picked.
    """
    order = np.lexsort((keys, strata))
    counts = np.unique(strata, return_counts=True)[1]
    rank = np.concatenate([np.arange(count) for count in counts])
    score = (rank + 0.5) / np.repeat(counts, counts)
    score[rank < least] = 0.0
    return np.sort(order[np.lexsort((keys[order], score))][:limit])
