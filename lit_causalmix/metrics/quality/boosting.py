"""The learner behind the two-sample test, the utility of rows and their confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Column

MOST_CATEGORIES = 255
"""Of a column that scikit-learn's histogram boosting takes as categories."""


class BoostedTrees:
    """Histogram boosting of scikit-learn that takes coded rows as they are.

    Missing cells and categories are handled by the trees. Columns with more than 255 categories
    are split by their codes; those without a known cell in the rows to learn from, which
    scikit-learn refuses, are left out. Leaves hold a twentieth of the rows, 2 to 20, since the
    default of 20 could not split a table of 30 rows at all [our choice].

    Args:
        columns: Input columns, in order.
        classify: Classifier or regressor.
        seed: Its only randomness.
    """

    def __init__(self, columns: tuple[Column, ...], *, classify: bool, seed: int) -> None:
        self._columns = columns
        self._classify = classify
        self._seed = seed

    def fit(self, X: NDArray[np.float64], y: NDArray[Any]) -> BoostedTrees:
        """Learns from coded rows, float64 (n, C), and their targets (n,).

        Raises:
            ValueError: If no cell is known.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self._known = np.flatnonzero(~np.isnan(X).all(axis=0))
        if not len(self._known):
            raise ValueError("boosted trees need a column with a known cell")
        kind = HistGradientBoostingClassifier if self._classify else HistGradientBoostingRegressor
        shown = [self._columns[j] for j in self._known]
        self._model = kind(
            max_iter=60,
            max_leaf_nodes=15,
            min_samples_leaf=int(np.clip(len(X) // 20, 2, 20)),
            early_stopping=False,
            categorical_features=[
                not c.is_numerical and len(c.categories) <= MOST_CATEGORIES for c in shown
            ],
            random_state=self._seed,
        ).fit(X[:, self._known], y)
        return self

    @property
    def classes(self) -> NDArray[Any]:
        """The different targets, in the order of the probabilities."""
        found: NDArray[Any] = self._model.classes_
        return found

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Targets of coded rows, float64 (n,)."""
        return np.asarray(self._model.predict(X[:, self._known]), dtype=np.float64)

    def probabilities(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes, float64 (n, k)."""
        return np.asarray(self._model.predict_proba(X[:, self._known]), dtype=np.float64)
