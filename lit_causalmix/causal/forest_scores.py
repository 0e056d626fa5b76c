"""Random forests as plain arrays: parents in, scores out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.scores import Bins, in_blocks

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
