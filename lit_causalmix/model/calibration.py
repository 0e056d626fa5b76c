"""A temperature for probabilities, chosen on rows that the model was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.model.member import Floats

COLDEST, HOTTEST = 0.1, 10.0
"""Bounds of a temperature [our choice]."""

_ROUNDS = 60
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(probabilities: Floats, classes: NDArray[np.int64]) -> float:
    """Finds the temperature with the lowest log-loss (Guo et al., 2017), by golden sections.

    The log-loss of tempered probabilities has one minimum in the inverse temperature.

    Args:
        probabilities: (n, K), of held-out rows.
        classes: int64 (n,), their class indices.

    Raises:
        ConfigurationError: If there are no rows.

    Example:
        >>> sure = np.array([[0.99, 0.01]] * 4)
        >>> fit_temperature(sure, np.array([0, 0, 0, 1])) > 1
        True
    """
    if not len(classes):
        raise ConfigurationError("a temperature is chosen on held-out rows, and there are none")
    rows = np.arange(len(classes))

    def loss(logarithm: float) -> float:
        p = tempered(np.asarray(probabilities, dtype=np.float64), float(np.exp(-logarithm)))
        return float(-np.log(np.maximum(p[rows, classes], np.finfo(np.float64).tiny)).mean())

    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(_ROUNDS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp(-(low + high) / 2))


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Divides the logarithms of probabilities (n, K) by a temperature, and normalises.

    Example:
        >>> tempered(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
        [[0.667, 0.333]]
    """
    tiny = np.finfo(probabilities.dtype).tiny
    logits = np.log(np.maximum(probabilities, tiny), dtype=np.float64) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(probabilities.dtype)
    return found
