"""Leaves of a forest as a density: columns that are independent within a leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.support import Support


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves of all trees together, with the real rows in them.

    Attributes:
        weight: float64 (L,), probability of each leaf: every tree counts the same, a leaf by the
            share of the real rows in it.
        start: int64 (L,), where its rows begin in `members`.
        count: int64 (L,), how many there are; at least 1.
        members: int64 (T · m,), rows of `values`, leaf after leaf.
        values: Coded real rows, float64 (m, W).
        numerical: bool (W,).
        low: float64 (L, W), smallest value of a numerical column in a leaf's box.
        high: float64 (L, W), largest.
        mean: float64 (L, W), of the known values of a numerical column.
        deviation: float64 (L, W), likewise.
    """

    weight: NDArray[np.float64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]
    members: NDArray[np.int64]
    values: NDArray[np.float64]
    numerical: NDArray[np.bool_]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        forest: Any,
        values: NDArray[np.float64],
        numerical: NDArray[np.bool_],
        support: Support,
    ) -> Leaves:
        """Reads the leaves of a fitted forest of scikit-learn in which real rows, (m, W), stand."""
        reached = forest.apply(values)
        boxes, orders, sizes = [], [], []
        for tree, places in zip(forest.estimators_, reached.T, strict=True):
            nodes, counts = np.unique(places, return_counts=True)
            boxes.append(_boxes(tree.tree_, support)[nodes])
            orders.append(np.argsort(places, kind="stable"))
            sizes.append(counts)
        members, count = np.concatenate(orders), np.concatenate(sizes)
        start = np.cumsum(count) - count
        mean, deviation = _moments(values[members], start, count)
        low, high = np.moveaxis(np.concatenate(boxes), 1, 0)
        return cls(
            count / count.sum(),
            start,
            count,
            members,
            values,
            numerical,
            low,
            high,
            mean,
            deviation,
        )

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws a leaf, then each column on its own, float64 (n, W).

        A category, or a gap, is that of a random row of the leaf; a number comes from a normal
        distribution with the leaf's mean and deviation, cut at the leaf's box.
        """
        from scipy.special import ndtr, ndtri

        leaf = rng.choice(len(self.weight), size=n, p=self.weight)
        shape = (n, self.values.shape[1])
        place = (rng.random(shape) * self.count[leaf, None]).astype(np.int64)
        rows = self.values[self.members[self.start[leaf, None] + place], np.arange(shape[1])]
        uniform = rng.random(shape)
        spread = self.numerical & (self.deviation[leaf] > 0)
        mean, deviation = self.mean[leaf], np.where(spread, self.deviation[leaf], 1.0)
        low, high = (ndtr((side[leaf] - mean) / deviation) for side in (self.low, self.high))
        drawn: NDArray[np.float64] = mean + deviation * ndtri(low + uniform * (high - low))
        drawn = np.clip(drawn, self.low[leaf], self.high[leaf])
        found: NDArray[np.float64] = np.where(spread & ~np.isnan(rows), drawn, rows)
        return found


def _boxes(tree: Any, support: Support) -> NDArray[np.float64]:
    """The box of each node of a tree, float64 (nodes, 2, W): lowest and highest values."""
    boxes = np.empty((tree.node_count, 2, len(support.low)))
    boxes[0] = support.low, support.high
    for node in range(tree.node_count):  # a parent stands before its children
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            continue
        column, cut = int(tree.feature[node]), float(tree.threshold[node])
        boxes[left] = boxes[right] = boxes[node]
        boxes[left, 1, column] = min(boxes[node, 1, column], cut)
        boxes[right, 0, column] = max(boxes[node, 0, column], cut)
    return boxes


def _moments(
    values: NDArray[np.float64], start: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of the known values by leaf, float64 (L, W) each; 0 where none is."""
    known = ~np.isnan(values)
    n = np.maximum(np.add.reduceat(known.astype(np.float64), start), 1.0)
    mean = np.add.reduceat(np.where(known, values, 0.0), start) / n
    centred = np.where(known, values - np.repeat(mean, count, axis=0), 0.0)
    deviation = np.sqrt(np.add.reduceat(centred**2, start) / np.maximum(n - 1, 1.0))
    # Equal values leave a rounding error behind, which is no spread.
    return mean, np.where(deviation > 1e-9 * np.abs(mean), deviation, 0.0)
