"""The regressor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.estimators.base import CausalMixEstimator
from lit_causalmix.estimators.rows import name_of, numbers_of
from lit_causalmix.tables.schema import TaskType


class CausalMixRegressor(RegressorMixin, CausalMixEstimator):  # type: ignore[misc]
    """Fine-tunes a tabular foundation model for regression, with zero-shot as a candidate.

    A fit is that of the command line with the same settings, to the same bits. All of X is for
    training and validation. Arguments as for `CausalMixClassifier`.

    Attributes:
        model_: What predicts (`lit_causalmix.model.Predictor`).
        cut_: What `time_limit` cut, one sentence each.
        candidates_: What the method "auto" compared, a mapping each: candidate, folds, step,
            metric, zero_shot, score and gain (on rows that the folds held out), fate.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, where X had any.

    Example:
        >>> X = pd.DataFrame({"rooms": np.arange(60.0), "garden": [0, 1] * 30})
        >>> model = CausalMixRegressor("default", max_steps=0).fit(X, 3 * X["rooms"])
        >>> model.predict(X.head(2)).shape, model.predict_interval(X.head(2)).shape
        ((2,), (2, 2))
    """

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Fits to rows and their numbers.

        Args:
            X: (n, C), a DataFrame (pandas, polars, …) with columns of any kind, or an array.
            y: (n,) finite numbers.
            groups: (n,) labels; rows of one group are never parted between training and validation.

        Raises:
            ValueError: For rows that cannot be used, with the reason.
        """
        with self._fitting():
            frame = self._checked(X, y)
            series = pd.Series(numbers_of(y), name=name_of(y))
            self._keep(self._fit(frame, series, TaskType.REGRESSION, groups))
        return self

    def predict(
        self,
        X: Any,
        output: Literal["mean", "quantiles"] = "mean",
        quantiles: Iterable[float] = (0.05, 0.5, 0.95),
    ) -> NDArray[np.float64]:
        """Predicts numbers, or quantiles of their distributions.

        Args:
            X: (n, C).
            output: "mean", or "quantiles", for which the backbone has to predict a distribution.
            quantiles: L probabilities in (0, 1), for that; a list or an array.

        Returns:
            float64 (n,), or (n, L).

        Raises:
            LimitError: If the backbone predicts no distribution.
            ConfigurationError: For another output, or what is no quantile in (0, 1).
        """
        rows = self._new_rows(X)
        if output == "mean":
            return np.asarray(self.model_.predict(rows), dtype=np.float64)
        if output != "quantiles":
            raise ConfigurationError(f"output is mean or quantiles, got {output!r}")
        return self.model_.predict_quantiles(rows, quantiles)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predicts the central interval of each distribution: float64 (n, 2), lower and upper end.

        How often it holds the truth is measured in docs/results/intervals.md.

        Raises:
            LimitError: If the backbone predicts no distribution.
            ConfigurationError: If the coverage lies outside (0, 1).
        """
        if not 0 < coverage < 1:
            raise ConfigurationError(f"coverage lies in (0, 1), got {coverage}")
        tail = (1 - coverage) / 2
        return self.predict(X, output="quantiles", quantiles=(tail, 1 - tail))
