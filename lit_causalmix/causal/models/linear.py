"""Linear mechanisms: ridge and logistic regression on standardised and one-hot parents."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.base import FittedClassifier, FittedRegressor
from lit_causalmix.causal.sampler.scores import Bins, CategoryTable, LinearScores
from lit_causalmix.tables.scaling import location_scale

RIDGE_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Tried by leave-one-out; in units of one standardised row."""


class Design:
    """The design matrix of parents (n, p): numerical ones standardised, then one-hot blocks."""

    def __init__(self, parents: NDArray[np.float64], cardinalities: Sequence[int]) -> None:
        sizes = np.asarray(cardinalities)
        self.cardinalities = tuple(cardinalities)
        self.numerical = np.flatnonzero(sizes == 0)
        self.categorical = np.flatnonzero(sizes > 0)
        self.location, self.scale = location_scale(parents[:, self.numerical])

    def __call__(self, parents: NDArray[np.float64]) -> NDArray[np.float64]:
        blocks = [(parents[:, self.numerical] - self.location) / self.scale]
        for j in self.categorical.tolist():
            codes = parents[:, j].astype(np.intp)
            blocks.append((codes[:, None] == np.arange(self.cardinalities[j])).astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def columns(self, parent: int) -> range:
        """Returns the columns that a parent takes."""
        numerical = self.numerical.tolist()
        if parent in numerical:
            return range(numerical.index(parent), numerical.index(parent) + 1)
        start = len(numerical) + sum(self.cardinalities[:parent])  # numerical ones count 0
        return range(start, start + self.cardinalities[parent])

    def scores(
        self, weights: NDArray[np.float64], intercept: NDArray[np.float64], nodes: Sequence[int]
    ) -> LinearScores:
        """Compiles weights (columns of the design, K) back to the units of the parents."""
        count = len(self.numerical)
        raw = weights[:count] / self.scale[:, None]
        tables, start = [], count
        for j in self.categorical.tolist():
            end = start + self.cardinalities[j]
            tables.append(CategoryTable(nodes[j], weights[start:end].copy()))
            start = end
        return LinearScores(
            intercept=intercept - self.location @ raw,
            numerical=np.array([nodes[j] for j in self.numerical.tolist()], dtype=np.int64),
            weights=np.ascontiguousarray(raw),  # as it is after loading, so that bits agree
            categorical=tuple(tables),
        )


class _Linear:
    """What the regressor and the classifier share."""

    _encoding: Design

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities = tuple(cardinalities)

    def bins(self, nodes: Sequence[int]) -> tuple[Bins, ...] | None:
        """Linear scores are constant within bins only where all parents are categorical."""
        if not all(self.cardinalities):
            return None
        pairs = zip(nodes, self.cardinalities, strict=True)
        return tuple(Bins(node, np.empty(0), k) for node, k in pairs)


class RidgeMechanism(_Linear, FittedRegressor):
    """Ridge regression, its penalty chosen by leave-one-out.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.linear_model import RidgeCV

        self._encoding = Design(parents, self.cardinalities)
        self._model = RidgeCV(alphas=RIDGE_PENALTIES)
        self._model.fit(self._encoding(parents), self._standardised(child))

    def scores(self, nodes: Sequence[int]) -> LinearScores:
        weights = self._scale * self._model.coef_[:, None]
        intercept = np.array([self._location + self._scale * float(self._model.intercept_)])
        return self._encoding.scores(weights, intercept, nodes)


class LogisticMechanism(_Linear, FittedClassifier):
    """Multinomial logistic regression with an L2 penalty of one standardised row.

    Args:
        cardinalities: Number of codes of each parent, 0 for a numerical one.
    """

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        self._encoding = Design(parents, self.cardinalities)
        self._model = LogisticRegression(C=1.0, max_iter=300)
        with warnings.catch_warnings():
            # The penalised optimum is unique; stopping a little short of it does no harm.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._encoding(parents), child)

    def scores(self, nodes: Sequence[int]) -> LinearScores:
        return self._encoding.scores(self._model.coef_.T, self._model.intercept_, nodes)
