"""Folds: every training and validation row validates once, in one of K splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.splits import Ints, SplitRows
from lit_causalmix.tables.task import LEAST_CLASS_ROWS


@dataclass(frozen=True)
class Fold:
    """One of K folds.

    Attributes:
        number: Which one validates, from 0.
        of: K, at least 2.

    Raises:
        ConfigurationError: For a number that is no fold.

    Example:
        >>> Fold(0, 5)
        Fold(number=0, of=5)
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if self.of < 2 or not 0 <= self.number < self.of:
            raise ConfigurationError(
                f"fold is one of 0 to folds - 1, and folds at least 2, got {self.number} of "
                f"{self.of}"
            )


def assign_folds(strata: Ints, blocks: Ints, keys: NDArray[np.float64], folds: int) -> Ints:
    """Deals rows out to folds: stratified, whole blocks, as evenly as blocks allow.

    The blocks of a stratum are dealt out in the order of their keys, each to the fold that has
    fewest rows of the stratum, among those to the one that has fewest rows in all.

    Args:
        strata: int64 (n,), class or quantile bin of each row; a block counts as its first row.
        blocks: int64 (n,), rows with the same number land in one fold.
        keys: float64 (n,), random keys.
        folds: Number of folds.

    Returns:
        int64 (n,), the fold of each row.

    Example:
        >>> strata, blocks = np.array([0, 0, 0, 0, 1, 1]), np.arange(6)
        >>> assign_folds(strata, blocks, np.linspace(0, 1, 6), 2)
        array([0, 1, 0, 1, 0, 1])
    """
    _, first, block, sizes = np.unique(
        blocks, return_index=True, return_inverse=True, return_counts=True
    )
    fold = np.zeros(len(first), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for value in np.unique(strata[first]):
        members = np.flatnonzero(strata[first] == value)
        here = np.zeros(folds, dtype=np.int64)
        for member in members[np.argsort(keys[first][members], kind="stable")]:
            chosen = int(np.lexsort((filled, here))[0])
            fold[member] = chosen
            here[chosen] += sizes[member]
            filled[chosen] += sizes[member]
    return fold[block]


def in_fold(
    chosen: SplitRows,
    strata: Ints,
    blocks: Ints,
    keys: NDArray[np.float64],
    fold: Fold,
    target: Cells | None,
) -> SplitRows:
    """The split of one fold: it cuts the rows that one split would train and validate on.

    Args:
        chosen: The one split; its test rows stay.
        strata: int64 (m,), strata of the training and validation rows, in that order.
        blocks: int64 (n,), as in `assign_folds`, for all n rows.
        keys: float64 (n,), random keys of all rows.
        fold: Which one.
        target: Target cells of all rows where they are classes; None for regression.

    Raises:
        TableError: If there are too few rows, or too few of a class.
    """
    rows = np.concatenate([chosen.train, chosen.val])
    n_blocks = len(np.unique(blocks[rows]))
    if n_blocks < fold.of:
        grouped = "" if n_blocks == len(rows) else f" in {n_blocks} blocks of identical or grouped"
        raise TableError(
            f"data.folds is {fold.of}, and there are {len(rows)} rows{grouped} to train and "
            "validate on: lower it"
        )
    if target is not None:
        _check_counts(target.take(rows), fold.of)
    numbers = assign_folds(strata, blocks[rows], keys[rows], fold.of)
    if target is not None:
        for number in range(fold.of):
            _check_training(target, rows[numbers != number], rows, number)
    held_out = numbers == fold.number
    return SplitRows(np.sort(rows[~held_out]), np.sort(rows[held_out]), chosen.test)


def _check_counts(target: Cells, folds: int) -> None:
    for code in np.flatnonzero((target.counts > 0) & (target.counts < folds)):
        raise TableError(
            f"data.folds is {folds}, and class {target.labels[code]!r} of the target "
            f"{target.name!r} has {target.counts[code]} rows to train and validate on: lower it, "
            "or merge the class into another"
        )


def _check_training(target: Cells, train: Ints, rows: Ints, number: int) -> None:
    have, present = target.take(train).counts, target.take(rows).counts > 0
    for code in np.flatnonzero(present & (have < LEAST_CLASS_ROWS)):
        raise TableError(
            f"without fold {number}, class {target.labels[code]!r} of the target {target.name!r} "
            f"has {have[code]} training rows, each class needs {LEAST_CLASS_ROWS}: its rows stand "
            "in too few groups for data.folds, or are too few; change the folds, or merge the class"
        )
