"""Kinds of noise for DoWhy's additive noise models, beside the plain residuals.

Import this module lazily: it imports DoWhy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.dowhy_mechanisms import CodedAdditiveNoise, codes
from lit_causalmix.causal.families import Estimator
from lit_causalmix.causal.mechanisms import Mechanism, keep_support
from lit_causalmix.causal.noise import SPREAD, ScaledAdditive, smooth


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
