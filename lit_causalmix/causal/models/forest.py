"""Forest mechanisms: scikit-learn's random forests, and their trees as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.base import FittedClassifier, FittedRegressor
from lit_causalmix.causal.models.linear import Design
from lit_causalmix.causal.sampler.scores import (
    ALL_LEAVES,
    FOREST_LEAVES,
    Bins,
    ForestScores,
)

TREES = 50
"""Trees of a forest [our choice]."""


@dataclass(frozen=True)
class _Split:
    """One inner node: the leaves, one bit each, that are lost when a row goes right."""

    tree: int
    column: int
    threshold: float
    left: int


def _settings(rows: int) -> dict[str, Any]:
    """Leaves as large as those of boosting; the forest is seeded by itself [our choice]."""
    return {
        "n_estimators": TREES,
        "max_leaf_nodes": FOREST_LEAVES,
        "min_samples_leaf": min(5, max(2, rows // 50)),
        "random_state": 0,
        "n_jobs": 1,  # trees are added in their order
    }


class _Forest:
    """What the regressor and the classifier share.

    Trees see standardised and one-hot parents in single precision, which scikit-learn casts to;
    the compiled thresholds are the doubles at which the cast value crosses the tree's threshold.
    """

    _encoding: Design
    _model: Any

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities = tuple(cardinalities)

    def _fit(
        self, model_class: Any, parents: NDArray[np.float64], child: NDArray[np.float64]
    ) -> None:
        self._encoding = Design(parents, self.cardinalities)
        self._model = model_class(**_settings(len(child)))
        self._model.fit(self._encoding(parents), child)

    def bins(self, nodes: Sequence[int]) -> tuple[Bins, ...] | None:
        return self._compile(nodes, logarithm=False).bins

    def _compile(
        self,
        nodes: Sequence[int],
        *,
        logarithm: bool,
        location: float = 0.0,
        scale: float = 1.0,
    ) -> ForestScores:
        trees = [estimator.tree_ for estimator in self._model.estimators_]
        leaves = np.zeros((len(trees), FOREST_LEAVES, trees[0].value.shape[2]))
        splits = [s for t, tree in enumerate(trees) for s in _splits(t, tree, leaves[t])]
        bins, masks = [], []
        for j, k in enumerate(self.cardinalities):
            columns = self._encoding.columns(j)
            own = [s for s in splits if s.column in columns]
            if not own:
                continue
            thresholds = np.array([s.threshold for s in own])
            if k:
                found = Bins(nodes[j], np.empty(0), k)
                is_hot = np.arange(k)[:, None] == [s.column - columns.start for s in own]
                goes_left = is_hot <= thresholds
            else:
                cuts = self._cuts(columns.start, thresholds)
                unique = np.unique(cuts)
                found = Bins(nodes[j], unique, len(unique) + 1)
                goes_left = found.representatives()[:, None] <= cuts
            mask = np.full((found.count, len(trees)), ALL_LEAVES)
            for split, left in zip(own, goes_left.T, strict=True):
                mask[~left, split.tree] &= ~np.int64(split.left)
            bins.append(found)
            masks.append(mask)
        return ForestScores(tuple(bins), tuple(masks), leaves, logarithm, location, scale)

    def _cuts(self, column: int, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the largest double that still goes left, by bisection down to the last bit."""
        location = float(self._encoding.location[column])
        scale = float(self._encoding.scale[column])

        def goes_left(values: NDArray[np.float64]) -> NDArray[np.bool_]:
            single: NDArray[np.float32] = ((values - location) / scale).astype(np.float32)
            left: NDArray[np.bool_] = single <= thresholds
            return left

        guess: NDArray[np.float64] = location + scale * thresholds
        low, high, step = guess, guess, scale * 1e-6 + np.abs(guess) * 1e-12
        while not goes_left(low).all() or goes_left(high).any():
            low = np.where(goes_left(low), low, low - step)
            high = np.where(goes_left(high), high + step, high)
            step = 2 * step
        while (np.nextafter(low, np.inf) < high).any():
            middle = low + (high - low) / 2
            left = goes_left(middle)
            low, high = np.where(left, middle, low), np.where(left, high, middle)
        return low


def _splits(number: int, tree: Any, leaves: NDArray[np.float64]) -> list[_Split]:
    """Lists the inner nodes of a tree, and fills in the values of its leaves from left to right."""
    splits: list[_Split] = []
    count = 0

    def walk(node: int) -> int:
        nonlocal count
        if tree.children_left[node] < 0:
            leaves[count] = tree.value[node, 0]
            count += 1
            return 1 << (count - 1)
        left = walk(int(tree.children_left[node]))
        right = walk(int(tree.children_right[node]))
        splits.append(_Split(number, int(tree.feature[node]), float(tree.threshold[node]), left))
        return left | right

    walk(0)
    return splits


class ForestRegressor(_Forest, FittedRegressor):
    """A random forest on squared error.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self._fit(RandomForestRegressor, parents, self._standardised(child))

    def scores(self, nodes: Sequence[int]) -> ForestScores:
        return self._compile(nodes, logarithm=False, location=self._location, scale=self._scale)


class ForestClassifier(_Forest, FittedClassifier):
    """A random forest on class frequencies.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self._fit(RandomForestClassifier, parents, child)

    def scores(self, nodes: Sequence[int]) -> ForestScores:
        return self._compile(nodes, logarithm=True)
