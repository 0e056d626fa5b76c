"""The noise of numerical nodes: residuals, smoothed residuals, residuals of a varying spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.sampler.mechanisms import keep_support
from lit_causalmix.causal.sampler.scores import Scores

NOISES = ("residual", "smoothed", "heteroscedastic")
"""What the noise of a numerical node with parents is drawn from."""

COPIES = 16
"""Points that stand for the kernel around each residual."""

SPREAD = 8.0
"""The scale of a node's noise stays within this factor of its mean [our choice]."""


def smooth(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Puts a Gaussian kernel around each residual, float64 (m,) → (16 m,).

    The bandwidth is Silverman's (Density Estimation, 1986, eq. 3.31); the residuals are pulled
    together about their mean such that the variance stays as it is. The kernel is given by equally
    likely points, so that the noise remains an empirical distribution.
    """
    from scipy.special import ndtri

    deviation = float(residuals.std())
    q1, q3 = np.quantile(residuals, [0.25, 0.75])
    robust = float(q3 - q1) / 1.34
    width = 0.9 * min(s for s in (deviation, robust or deviation)) * len(residuals) ** -0.2
    kernel = ndtri((np.arange(COPIES) + 0.5) / COPIES)
    kernel /= kernel.std()
    if deviation > 0:
        center = residuals.mean()
        residuals = center + (residuals - center) * np.sqrt(1 - (width / deviation) ** 2)
    pool: NDArray[np.float64] = (residuals[:, None] + width * kernel).ravel()
    return pool


@dataclass(frozen=True, eq=False)
class ScaledAdditive:
    """A numerical node: score of the parents plus noise whose scale depends on them too.

    Attributes:
        scores: One output, the expected value.
        spread: One output, the expected size of a residual.
        least: Smallest size.
        most: Largest size.
        residuals: float64 (m,), residuals in units of their expected size.
        low: Smallest training value.
        high: Largest training value.
        integer: Whether values are rounded to whole numbers.
    """

    scores: Scores
    spread: Scores
    least: float
    most: float
    residuals: NDArray[np.float64]
    low: float
    high: float
    integer: bool

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.residuals[(uniform * len(self.residuals)).astype(np.intp)]

    def evaluate(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        expected = self.scores(values)[:, 0]
        return keep_support(
            expected + self._size(values) * noise, self.low, self.high, self.integer
        )

    def abduct(
        self,
        values: NDArray[np.float64],
        observed: NDArray[np.float64],
        uniform: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        noise: NDArray[np.float64] = (observed - self.scores(values)[:, 0]) / self._size(values)
        return noise

    def _size(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        size: NDArray[np.float64] = np.clip(self.spread(values)[:, 0], self.least, self.most)
        return size
