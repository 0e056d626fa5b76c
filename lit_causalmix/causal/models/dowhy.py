"""Mechanisms that we assign to DoWhy's structural causal models.

Import this module lazily: it imports DoWhy. Categories reach DoWhy as strings, which it asks for;
a label is the zero-padded code, so that the order of labels is that of the codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from dowhy.gcm import AdditiveNoiseModel, ClassifierFCM, EmpiricalDistribution
from dowhy.gcm.ml import ClassificationModel, PredictionModel
from numpy.typing import NDArray

from lit_causalmix.causal.models.families import ClassEstimator, Estimator
from lit_causalmix.causal.sampler.mechanisms import (
    Additive,
    Classifier,
    Mechanism,
    Root,
    cumulative_weights,
    keep_support,
)
from lit_causalmix.causal.sampler.noise import SPREAD, ScaledAdditive, smooth
from lit_causalmix.causal.sampler.tabulate import tabulate


def labels(codes: NDArray[np.float64]) -> NDArray[np.object_]:
    """Turns codes into labels; NaN becomes None."""
    known = ~np.isnan(codes)
    result = np.full(len(codes), None, dtype=object)
    result[known] = [f"{code:06.0f}" for code in codes[known]]
    return result


def codes(labels: NDArray[np.object_]) -> NDArray[np.float64]:
    """Turns numbers and labels, of any shape, into float64."""
    return labels.astype(np.float64)


class _Regression(PredictionModel):  # type: ignore[misc] # DoWhy has no types
    def __init__(self, create: Callable[[], Estimator]) -> None:
        self._create = create
        self.estimator = create()

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        self.estimator.fit(codes(X), codes(Y).ravel())

    def predict(self, X: NDArray[np.object_]) -> NDArray[np.float64]:
        return self.estimator.predict(codes(X))

    def clone(self) -> _Regression:
        return _Regression(self._create)


class _Classification(ClassificationModel):  # type: ignore[misc]
    def __init__(self, create: Callable[[], ClassEstimator]) -> None:
        self._create = create
        self.estimator = create()
        self._classes: list[str] = []

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        self.estimator.fit(codes(X), codes(Y).ravel())
        self._classes = list(labels(self.estimator.classes))  # DoWhy asks for them row by row

    def predict(self, X: NDArray[np.object_]) -> NDArray[np.object_]:
        return labels(self.estimator.classes[self.predict_probabilities(X).argmax(axis=1)])

    def predict_probabilities(self, X: NDArray[np.object_]) -> NDArray[np.float64]:
        return self.estimator.predict(codes(X))

    @property
    def classes(self) -> list[str]:
        return self._classes

    def clone(self) -> _Classification:
        return _Classification(self._create)


class CodedRoot(EmpiricalDistribution):  # type: ignore[misc]
    """The empirical distribution of a node without parents."""

    def compile(self, nodes: Sequence[int]) -> Mechanism:
        return Root(codes(self.data).ravel())


class CodedAdditiveNoise(AdditiveNoiseModel):  # type: ignore[misc]
    """Additive noise whose outcome is rounded and clipped to the support of the training rows.

    One object may stand in several models that give the node the same parents; it is fitted once.

    Args:
        create: Makes the regressor.
        integer: Whether the node holds whole numbers only.
    """

    def __init__(self, create: Callable[[], Estimator], integer: bool) -> None:
        super().__init__(_Regression(create))
        self._create = create
        self._integer = integer
        self._fitted = False

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        if self._fitted:
            return
        super().fit(X, codes(Y))
        self._low, self._high = float(np.min(Y)), float(np.max(Y))
        self._fitted = True

    def evaluate(
        self, parent_samples: NDArray[np.object_], noise_samples: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        outcome = super().evaluate(parent_samples, noise_samples)
        return keep_support(outcome, self._low, self._high, self._integer)

    def clone(self) -> CodedAdditiveNoise:
        return CodedAdditiveNoise(self._create, self._integer)

    def compile(self, nodes: Sequence[int]) -> Mechanism:
        estimator: Estimator = self.prediction_model.estimator
        scores, bins = estimator.scores(nodes), estimator.bins(nodes)
        table = None if bins is None else tabulate(scores, bins, lambda s: s)
        residuals = codes(self.noise_model.data).ravel()
        return Additive(table or scores, residuals, self._low, self._high, self._integer)


class CodedClassifier(ClassifierFCM):  # type: ignore[misc]
    """A classifier mechanism; fitted once like `CodedAdditiveNoise`.

    Args:
        create: Makes the classifier.
    """

    def __init__(self, create: Callable[[], ClassEstimator]) -> None:
        super().__init__(_Classification(create))
        self._create = create
        self._fitted = False

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        if self._fitted:
            return
        super().fit(X, Y)
        self._fitted = True

    def clone(self) -> CodedClassifier:
        return CodedClassifier(self._create)

    def compile(self, nodes: Sequence[int]) -> Mechanism:
        estimator: ClassEstimator = self.classifier_model.estimator
        scores, bins = estimator.scores(nodes), estimator.bins(nodes)
        table = None if bins is None else tabulate(scores, bins, cumulative_weights)
        return Classifier(table or scores, estimator.classes, cumulative=table is not None)


class SmoothedAdditiveNoise(CodedAdditiveNoise):
    """Additive noise drawn from kernel-smoothed residuals."""

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        if self._fitted:
            return
        super().fit(X, Y)
        self.noise_model.fit(smooth(codes(self.noise_model.data).ravel()))

    def clone(self) -> SmoothedAdditiveNoise:
        return SmoothedAdditiveNoise(self._create, self._integer)


class ScaledAdditiveNoise(CodedAdditiveNoise):
    """Additive noise whose size is a function of the parents.

    DoWhy has no such model: the evaluation is ours. The size of the residuals is regressed on the
    parents with the family of the mean (Davidian and Carroll, JASA 1987, on absolute residuals).

    Args:
        create: Makes the regressor, for the mean and for the size.
        integer: Whether the node holds whole numbers only.
    """

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        if self._fitted:
            return
        child = codes(Y).ravel()
        self.prediction_model.fit(X, child)
        residuals = child - self.prediction_model.predict(X)[:, 0]
        size = np.abs(residuals)
        self._spread = self._create()
        self._spread.fit(codes(X), size)
        # A node without any residual has no size to divide by; its noise stays 0.
        mean = float(size.mean()) or 1.0
        self._least, self._most = mean / SPREAD, mean * SPREAD
        self.noise_model.fit(residuals / self._size(X))
        self._low, self._high = float(child.min()), float(child.max())
        self._fitted = True

    def _size(self, X: NDArray[np.object_]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.clip(
            self._spread.predict(codes(X))[:, 0], self._least, self._most
        )
        return found

    def evaluate(
        self, parent_samples: NDArray[np.object_], noise_samples: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        expected = self.prediction_model.predict(parent_samples)[:, 0]
        outcome = expected + self._size(parent_samples) * noise_samples.astype(np.float64).ravel()
        return keep_support(outcome, self._low, self._high, self._integer)

    def estimate_noise(
        self, target_samples: NDArray[np.object_], parent_samples: NDArray[np.object_]
    ) -> NDArray[np.float64]:
        expected = self.prediction_model.predict(parent_samples)[:, 0]
        noise: NDArray[np.float64] = (codes(target_samples).ravel() - expected) / self._size(
            parent_samples
        )
        return noise

    def clone(self) -> ScaledAdditiveNoise:
        return ScaledAdditiveNoise(self._create, self._integer)

    def compile(self, nodes: Sequence[int]) -> Mechanism:
        estimator: Estimator = self.prediction_model.estimator
        return ScaledAdditive(
            estimator.scores(nodes),
            self._spread.scores(nodes),
            self._least,
            self._most,
            codes(self.noise_model.data).ravel(),
            self._low,
            self._high,
            self._integer,
        )


_Make = Callable[[Callable[[], Estimator], bool], Any]

MECHANISMS: dict[str, _Make] = {
    "residual": CodedAdditiveNoise,
    "smoothed": SmoothedAdditiveNoise,
    "heteroscedastic": ScaledAdditiveNoise,
}
"""The mechanism of a numerical node by its kind of noise."""
