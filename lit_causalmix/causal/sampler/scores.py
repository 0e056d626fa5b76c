"""The deterministic part of a mechanism as plain arrays: parents in, scores out.

Shape legend: n = rows, d = nodes, K = outputs (1 for a numerical node, one per class for a
categorical one), T = trees, B = bins of one parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LEAVES = 8
"""Most leaves of a boosted tree: one bit of a byte each."""

FIRST_LEAF = np.array([0] + [(m & -m).bit_length() - 1 for m in range(1, 256)], dtype=np.intp)
"""Index of the lowest bit of a byte: the leaf that a row reaches."""


BLOCK = 128
"""Rows that trees are evaluated for at once, so that what lies between stays in the cache."""


class Scores(Protocol):
    """Maps the values of all nodes, float64 (n, d), to scores, float64 (n, K)."""

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]: ...


def in_blocks(scores: Scores, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluates `scores` for `BLOCK` rows after another."""
    if len(values) <= BLOCK:
        return scores(values)
    starts = range(0, len(values), BLOCK)
    return np.concatenate([scores(values[start : start + BLOCK]) for start in starts])


@dataclass(frozen=True, eq=False)
class CategoryTable:
    """One row of something for each code of a categorical parent.

    Attributes:
        node: The parent.
        rows: (k, ...), one entry per code.
    """

    node: int
    rows: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearScores:
    """Intercept, plus weights of numerical parents, plus a table per categorical parent.

    Attributes:
        intercept: float64 (K,).
        numerical: int64 (p,), numerical parents.
        weights: float64 (p, K), in the units of the columns.
        categorical: Tables of rows (k, K).
    """

    intercept: NDArray[np.float64]
    numerical: NDArray[np.int64]
    weights: NDArray[np.float64]
    categorical: tuple[CategoryTable, ...]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Outputs by rows: numpy is several times slower along a short last axis.
        scores = self.weights.T @ values.T[self.numerical]
        scores += self.intercept[:, None]
        for table in self.categorical:
            scores += table.rows.T.take(values[:, table.node].astype(np.intp), axis=1)
        return scores.T


@dataclass(frozen=True, eq=False)
class Bins:
    """How one parent's values fall into bins; all values of a bin give the same scores.

    Attributes:
        node: The parent.
        thresholds: Increasing float64 (B − 1,) for a numerical parent: bin b holds the values in
            (thresholds[b − 1], thresholds[b]]. Empty for a categorical one, whose bins are its
            codes.
        count: B.
    """

    node: int
    thresholds: NDArray[np.float64]
    count: int

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Returns the bin of each row, intp (n,)."""
        if len(self.thresholds):
            return np.searchsorted(self.thresholds, values[:, self.node], side="left")
        return values[:, self.node].astype(np.intp)

    def representatives(self) -> NDArray[np.float64]:
        """Returns one value out of each bin, float64 (B,)."""
        if len(self.thresholds):
            return np.append(self.thresholds, np.nextafter(self.thresholds[-1], np.inf))
        return np.arange(self.count, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class BoostedScores:
    """Boosted trees, evaluated without walking them.

    For each bin of each parent there is one byte per tree: which leaves stay within reach when
    only this parent is looked at. The lowest bit of the AND over parents is the leaf that the row
    reaches (QuickScorer; Lucchese et al., SIGIR 2015).

    Trees are added in the order in which scikit-learn adds them, so that sums agree to the bit: a
    sum can meet a child's threshold exactly, where the last bit decides.

    Attributes:
        bins: One per parent that any tree splits on.
        masks: Per entry of `bins`, uint8 (B, T).
        leaves: float64 (T, 8), value of each leaf from left to right; the K trees of one iteration
            stand side by side, those of the first include the baseline.
        outputs: K.
        location: Added to the sum, after `scale`.
        scale: Multiplies the sum.
    """

    bins: tuple[Bins, ...]
    masks: tuple[NDArray[np.uint8], ...]
    leaves: NDArray[np.float64]
    outputs: int
    location: float = 0.0
    scale: float = 1.0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return in_blocks(self._block, values)

    def _block(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        n, t = len(values), len(self.leaves)
        reach = np.full((n, t), 255, dtype=np.uint8)
        for bins, masks in zip(self.bins, self.masks, strict=True):
            reach &= masks[bins(values)]
        index = FIRST_LEAF.take(np.ascontiguousarray(reach.T))
        index += np.arange(0, t * LEAVES, LEAVES)[:, None]
        added = self.leaves.ravel().take(index).reshape(t // self.outputs, self.outputs, n)
        total = np.add.reduce(added, axis=0)  # along the first axis: one iteration after another
        total *= self.scale
        total += self.location
        return np.ascontiguousarray(total.T)


@dataclass(frozen=True, eq=False)
class TableScores:
    """Scores looked up in a table over all combinations of the parents' bins.

    Attributes:
        bins: One per parent.
        table: float64 (product of all B, K), the last parent varying fastest.
    """

    bins: tuple[Bins, ...]
    table: NDArray[np.float64]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        cell = np.zeros(len(values), dtype=np.intp)
        for bins in self.bins:
            cell *= bins.count
            cell += bins(values)
        return self.table[cell]


FOREST_LEAVES = 63
"""Most leaves of a forest's tree: the bits of a 64-bit number but for its sign."""

ALL_LEAVES = np.int64(2**FOREST_LEAVES - 1)


@dataclass(frozen=True, eq=False)
class ForestScores:
    """The mean over trees, evaluated without walking them, as `scores.BoostedScores` is.

    Attributes:
        bins: One per parent that any tree splits on.
        masks: Per entry of `bins`, int64 (B, T): the leaves within reach, one bit each.
        leaves: float64 (T, 63, K), outputs of each leaf from left to right.
        logarithm: Whether the scores are the logarithms of the means (class probabilities).
        location: Added to the mean, after `scale`.
        scale: Multiplies the mean.
    """

    bins: tuple[Bins, ...]
    masks: tuple[NDArray[np.int64], ...]
    leaves: NDArray[np.float64]
    logarithm: bool
    location: float = 0.0
    scale: float = 1.0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return in_blocks(self._block, values)

    def _block(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        n, (trees, _, outputs) = len(values), self.leaves.shape
        reach = np.full((n, trees), ALL_LEAVES)
        for bins, masks in zip(self.bins, self.masks, strict=True):
            reach &= masks[bins(values)]
        lowest = (reach & -reach).astype(np.float64)  # a power of two, so exact
        leaf = np.frexp(lowest)[1].astype(np.intp) - 1
        total = np.zeros((n, outputs))
        for tree in range(trees):  # in scikit-learn's order, so that sums agree to the bit
            total += self.leaves[tree][leaf[:, tree]]
        total /= trees
        total *= self.scale
        total += self.location
        if self.logarithm:
            with np.errstate(divide="ignore"):
                return np.log(total)
        return total
