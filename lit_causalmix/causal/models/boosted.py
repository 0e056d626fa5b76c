"""Boosted mechanisms: scikit-learn's histogram boosting, and its trees as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.base import FittedClassifier, FittedRegressor
from lit_causalmix.causal.sampler.scores import LEAVES, Bins, BoostedScores

MAX_CATEGORIES = 255
"""Most categories of a parent that histogram boosting takes."""


def _settings(rows: int) -> dict[str, Any]:
    """Small trees and few iterations suit scarce rows [our choice]."""
    return {
        "max_iter": 50,
        "learning_rate": 0.1,
        "max_leaf_nodes": LEAVES,
        "min_samples_leaf": min(20, max(2, rows // 20)),
        "l2_regularization": 1.0,
        "early_stopping": False,
        "random_state": 0,  # without early stopping and subsampling nothing is random
    }


class _Codes:
    """Parents as histogram boosting wants them: categories renumbered without gaps.

    scikit-learn moves categorical columns to the front; they stand there from the outset, so that
    the trees' column numbers are ours.
    """

    def __init__(self, parents: NDArray[np.float64], cardinalities: Sequence[int]) -> None:
        sizes = np.asarray(cardinalities)
        self.cardinalities = tuple(cardinalities)
        self.order = np.concatenate([np.flatnonzero(sizes > 0), np.flatnonzero(sizes == 0)])
        self.categorical = int((sizes > 0).sum())
        self.dense: list[NDArray[np.float64]] = []
        for j in self.order[: self.categorical].tolist():
            lookup = np.full(cardinalities[j], np.nan)
            seen = np.unique(parents[:, j]).astype(np.intp)
            lookup[seen] = np.arange(len(seen))
            self.dense.append(lookup)

    def __call__(self, parents: NDArray[np.float64]) -> NDArray[np.float64]:
        result = parents[:, self.order]
        for position, lookup in enumerate(self.dense):
            result[:, position] = lookup[result[:, position].astype(np.intp)]
        return result

    def mask(self) -> NDArray[np.bool_]:
        return np.arange(len(self.order)) < self.categorical


@dataclass(frozen=True)
class _Split:
    """One inner node: the leaves that are lost when a row goes right."""

    tree: int
    column: int
    threshold: float
    bitset: NDArray[np.uint32] | None
    left: int


class _Trees:
    """The trees of a fitted histogram boosting model, in the columns of `_Codes`."""

    def __init__(self, model: Any) -> None:
        trees = [tree for iteration in model._predictors for tree in iteration]
        baseline = np.ravel(model._baseline_prediction)
        self.outputs = len(baseline)
        self.leaves = np.zeros((len(trees), LEAVES))
        self.splits: list[_Split] = []
        for number, tree in enumerate(trees):
            self._leaf = 0
            self._walk(number, tree, 0)
        self.leaves[: self.outputs] += baseline[:, None]

    def _walk(self, number: int, tree: Any, position: int) -> int:
        """Numbers the leaves below a node from left to right; returns them as bits."""
        node = tree.nodes[position]
        if node["is_leaf"]:
            self.leaves[number, self._leaf] = node["value"]
            self._leaf += 1
            return 1 << (self._leaf - 1)
        left = self._walk(number, tree, int(node["left"]))
        right = self._walk(number, tree, int(node["right"]))
        bitset = (
            tree.raw_left_cat_bitsets[int(node["bitset_idx"])] if node["is_categorical"] else None
        )
        column, threshold = int(node["feature_idx"]), float(node["num_threshold"])
        self.splits.append(_Split(number, column, threshold, bitset, left))
        return left | right

    def compile(
        self, codes: _Codes, nodes: Sequence[int], *, location: float = 0.0, scale: float = 1.0
    ) -> BoostedScores:
        bins, masks = [], []
        for column in sorted({s.column for s in self.splits}):
            splits = [s for s in self.splits if s.column == column]
            parent = int(codes.order[column])
            if column < codes.categorical:
                found = Bins(nodes[parent], np.empty(0), codes.cardinalities[parent])
                dense = codes.dense[column]
                goes_left = [_in_bitset(s.bitset, dense) for s in splits]
            else:
                thresholds = np.unique([s.threshold for s in splits])
                found = Bins(nodes[parent], thresholds, len(thresholds) + 1)
                value = found.representatives()
                goes_left = [value <= s.threshold for s in splits]
            mask = np.full((found.count, len(self.leaves)), 255, dtype=np.uint8)
            for split, left in zip(splits, goes_left, strict=True):
                mask[~left, split.tree] &= np.uint8(255 & ~split.left)
            bins.append(found)
            masks.append(mask)
        return BoostedScores(tuple(bins), tuple(masks), self.leaves, self.outputs, location, scale)


def _in_bitset(bitset: NDArray[np.uint32] | None, dense: NDArray[np.float64]) -> NDArray[np.bool_]:
    if bitset is None:
        raise TypeError("a split on a categorical parent has no set of categories")
    codes = np.where(np.isnan(dense), 0, dense).astype(np.uint32)
    left: NDArray[np.bool_] = (bitset[codes // 32] >> (codes % 32)) & 1 == 1
    return left


class _Boosted:
    """What the regressor and the classifier share."""

    _encoding: _Codes
    _model: Any

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities = tuple(cardinalities)

    def _fit(
        self, model_class: Any, parents: NDArray[np.float64], child: NDArray[np.float64]
    ) -> None:
        self._encoding = _Codes(parents, self.cardinalities)
        self._model = model_class(
            categorical_features=self._encoding.mask(), **_settings(len(child))
        )
        self._model.fit(self._encoding(parents), child)

    def bins(self, nodes: Sequence[int]) -> tuple[Bins, ...] | None:
        return _Trees(self._model).compile(self._encoding, nodes).bins


class BoostedRegressor(_Boosted, FittedRegressor):
    """Boosted regression trees on squared error.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        # Gradients are kept in single precision, so the child is standardised.
        self._fit(HistGradientBoostingRegressor, parents, self._standardised(child))

    def scores(self, nodes: Sequence[int]) -> BoostedScores:
        return _Trees(self._model).compile(
            self._encoding, nodes, location=self._location, scale=self._scale
        )


class BoostedClassifier(_Boosted, FittedClassifier):
    """Boosted classification trees on log-loss, one tree per class and iteration.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._fit(HistGradientBoostingClassifier, parents, child)

    def scores(self, nodes: Sequence[int]) -> BoostedScores:
        return _Trees(self._model).compile(self._encoding, nodes)
