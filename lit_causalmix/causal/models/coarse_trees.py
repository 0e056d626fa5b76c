"""Boosted trees of many fits that grow together, on coarse bins.

The trees of one iteration, of all fits, grow level by level: each step is one operation on arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.families import LEAST_LIKELIHOOD

BINS = 32
"""Most bins of a parent."""

ITERATIONS, RATE, PENALTY = 25, 0.2, 1.0
"""Half the trees of `boosted` at twice their rate: near enough for a comparison of families."""

DEPTH = 3
"""Levels of a tree, for as many leaves as in `boosted`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """Boosting of one node without one fold.

    Attributes:
        number: Place of its question.
        outputs: Trees per iteration.
        classes: Whether the child is a category.
        bins: A row per output and parent, uint8 (outputs · p, n): training rows first.
        aims: float64 (outputs, n), in the same order.
        trained: Number of training rows.
    """

    number: int
    outputs: int
    classes: bool
    bins: NDArray[np.uint8]
    aims: Floats
    trained: int

    def baseline(self) -> Floats:
        """The score of each output before any tree, float64 (outputs,)."""
        mean: Floats = self.aims[:, : self.trained].mean(axis=1)
        if not self.classes:
            return mean
        mean = np.clip(mean, 1e-15, 1 - 1e-15)
        odds: Floats = np.log(mean) if self.outputs > 1 else np.log(mean / (1 - mean))
        return odds

    def loss(self, raw: Floats) -> float:
        """The loss of the held-out scores, float64 (outputs, k)."""
        aims = self.aims[:, self.trained :]
        if not self.classes:
            return float(((raw - aims) ** 2).sum())
        chance = _chances(raw[None])[0]
        likelihood = np.where(aims > 0, chance, 1 - chance if self.outputs == 1 else 0).sum(axis=0)
        return float(-np.log(np.maximum(likelihood, LEAST_LIKELIHOOD)).sum())


def _chances(raw: Floats) -> Floats:
    """Turns scores (fits, outputs, rows) into probabilities."""
    if raw.shape[1] == 1:
        chance: Floats = 1 / (1 + np.exp(-raw))
        return chance
    power = np.exp(raw - raw.max(axis=1, keepdims=True))
    share: Floats = power / power.sum(axis=1, keepdims=True)
    return share


class _Rows:
    """Rows of many fits side by side; fits with fewer are filled up with rows of no weight."""

    def __init__(self, fits: Sequence[Fit], parts: Sequence[slice]) -> None:
        outputs, most = (
            fits[0].outputs,
            max(f.aims[:, p].shape[1] for f, p in zip(fits, parts, strict=True)),
        )
        self.bins = np.zeros((sum(len(f.bins) for f in fits), most), dtype=np.uint8)
        self.aims = np.zeros((len(fits), outputs, most))
        self.weights = np.zeros((len(fits), 1, most))
        start = 0
        for k, (fit, part) in enumerate(zip(fits, parts, strict=True)):
            own = fit.aims[:, part]
            self.bins[start : start + len(fit.bins), : own.shape[1]] = fit.bins[:, part]
            self.aims[k, :, : own.shape[1]], self.weights[k, :, : own.shape[1]] = own, 1.0
            start += len(fit.bins)
        self.raw = np.repeat(np.stack([f.baseline() for f in fits])[..., None], most, axis=2)
        self.node = np.zeros((len(fits) * outputs, most), dtype=np.uint8)
        self._first = (np.arange(len(self.node)) << DEPTH)[:, None]

    def step(self, feature: NDArray[np.int64], bin_: NDArray[np.int64]) -> None:
        """Sends rows to the left or right child; both arguments are (trees, nodes)."""
        right = np.zeros(self.node.shape, dtype=bool)
        for k in range(feature.shape[1]):
            right |= (self.node == k) & (self.bins[feature[:, k]] > bin_[:, k, None])
        self.node = 2 * self.node + right

    def slopes(self, *, classes: bool) -> tuple[Floats, Floats]:
        """Gradients and second derivatives of the loss, (trees, rows) each; 0 where no row is."""
        if classes:
            chance = _chances(self.raw)
            gradient, hessian = chance - self.aims, chance * (1 - chance)
        else:
            gradient, hessian = self.raw - self.aims, np.ones_like(self.raw)
        shape = self.node.shape
        return (gradient * self.weights).reshape(shape), (hessian * self.weights).reshape(shape)

    def end(self, values: Floats) -> None:
        """Adds the values of leaves (trees, leaves) to the scores, and starts new trees."""
        self.raw += values.ravel()[self.leaf].reshape(self.raw.shape)
        self.node[:] = 0

    @property
    def leaf(self) -> NDArray[np.int64]:
        """The leaf of each row, counted over all trees, int64 (trees, rows)."""
        return self._first + self.node


class _Trees:
    """The trees that grow in one iteration, and where their rows stand in the histograms.

    Args:
        fits: T trees in all, on F pairs of a tree and a parent.
        rows: Their training rows.
    """

    def __init__(self, fits: Sequence[Fit], rows: _Rows) -> None:
        parents = np.repeat([len(f.bins) // f.outputs for f in fits], fits[0].outputs)
        trained = np.repeat([f.trained for f in fits], fits[0].outputs)
        self.of = np.repeat(np.arange(len(parents)), parents)
        least = np.minimum(20, np.maximum(2, trained // 20))
        self.least = least[self.of][:, None, None]
        place = (np.cumsum(parents) - parents)[:, None] + np.arange(parents.max())
        self.features = np.where(np.arange(parents.max()) < parents[:, None], place, len(self.of))
        weights = np.broadcast_to(rows.weights, rows.raw.shape).reshape(len(parents), -1)
        self.weights = weights[self.of].ravel()
        number = np.arange(len(self.of), dtype=np.int64)[:, None]
        # Cells of the histograms (feature, node, bin), the node left open.
        self.cells = [number * (BINS << depth) + rows.bins for depth in range(DEPTH)]

    def split(
        self, depth: int, node: NDArray[np.uint8], gradient: Floats, hessian: Floats | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns the best feature and bin of each node, int64 (T, nodes); rows up to it go left.

        Args:
            depth: Level of the nodes.
            node: uint8 (T, m), the node of each row.
            gradient: float64 (F · m,).
            hessian: The same; None where each row counts 1.
        """
        shape = len(self.of), 1 << depth, BINS
        cell = (self.cells[depth] + (BINS * node.astype(np.int64))[self.of]).ravel()

        def summed(weights: Floats) -> Floats:
            histogram = np.bincount(cell, weights, minlength=shape[0] * shape[1] * BINS)
            return histogram.reshape(shape).cumsum(axis=2)

        left, count = summed(gradient), summed(self.weights)
        weight = count if hessian is None else summed(hessian)
        whole, rows, heavy = left[..., -1:], count[..., -1:], weight[..., -1:]
        gain = left**2 / (weight + PENALTY)
        gain += (whole - left) ** 2 / (heavy - weight + PENALTY)
        gain[(count < self.least) | (rows - count < self.least)] = -np.inf
        best = gain.argmax(axis=2)
        found = np.take_along_axis(gain, best[..., None], axis=2)[..., 0]
        found -= (whole**2 / (heavy + PENALTY))[..., 0]
        none = np.full((1, shape[1]), -np.inf)
        offered = np.concatenate([found, none])[self.features]
        first = offered.argmax(axis=1)
        feature = np.take_along_axis(self.features, first, axis=1)
        bins = np.take_along_axis(best, feature, axis=0)
        worth = np.take_along_axis(offered, first[:, None], axis=1)[:, 0] > 0
        return feature, np.where(worth, bins, BINS)


def grow(fits: Sequence[Fit]) -> list[Floats]:
    """Boosts fits of one kind; returns the scores of their held-out rows, (outputs, k) each."""
    rows = _Rows(fits, [slice(0, f.trained) for f in fits])
    held_out = _Rows(fits, [slice(f.trained, None) for f in fits])
    trees, leaves = _Trees(fits, rows), 1 << DEPTH
    for _ in range(ITERATIONS):
        gradient, hessian = rows.slopes(classes=fits[0].classes)
        wide = gradient[trees.of].ravel()
        broad = hessian[trees.of].ravel() if fits[0].classes else None
        for depth in range(DEPTH):
            feature, bins = trees.split(depth, rows.node, wide, broad)
            rows.step(feature, bins)
            held_out.step(feature, bins)
        leaf, size = rows.leaf.ravel(), len(rows.node) * leaves
        summed, weight = (
            np.bincount(leaf, v.ravel(), minlength=size).reshape(-1, leaves)
            for v in (gradient, hessian)
        )
        values = -RATE * summed / (weight + PENALTY)
        rows.end(values)
        held_out.end(values)
    return [
        raw[:, : f.aims.shape[1] - f.trained] for f, raw in zip(fits, held_out.raw, strict=True)
    ]
