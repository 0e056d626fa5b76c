"""From probabilities to one class: the largest, or a threshold chosen on held-out rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.model.member import Floats

OBJECTIVES = ("balanced_accuracy",)
"""What a threshold can be chosen for."""


def fit_threshold(probabilities: Floats, classes: NDArray[np.int64]) -> float:
    """Finds the threshold with the best balanced accuracy, the mean of both classes' recalls.

    Candidates lie half-way between neighbouring probabilities; of equally good ones the nearest to
    one half is taken, so that few rows move a decision as little as they justify [our choice].

    Args:
        probabilities: (n, 2), of held-out rows.
        classes: int64 (n,), their class indices.

    Raises:
        ConfigurationError: If there are more than two classes, or held-out rows of one alone.

    Example:
        >>> rare = np.array([0.02, 0.05, 0.1, 0.3, 0.4])
        >>> round(fit_threshold(np.stack([1 - rare, rare], axis=1), np.array([0, 0, 0, 1, 1])), 3)
        0.2
    """
    if probabilities.shape[1] != 2:
        raise ConfigurationError(
            f"a threshold decides between two classes, got {probabilities.shape[1]}: for more, "
            "weight them in training (class_weight)"
        )
    positive = probabilities[:, 1].astype(np.float64)
    numbers = np.bincount(classes, minlength=2)
    if not numbers.all():
        raise ConfigurationError(
            "a threshold is chosen on held-out rows of both classes, and there are "
            f"{numbers[0]} and {numbers[1]}: hold more rows out, or take folds"
        )
    values, place = np.unique(positive, return_inverse=True)
    below = np.stack([np.bincount(place[classes == k], minlength=len(values)) for k in (0, 1)])
    under = np.cumsum(below, axis=1)[:, :-1] / numbers[:, None]  # shares at or below a value
    between = np.concatenate([[0.5], (values[:-1] + values[1:]) / 2])
    at_half = [(positive[classes == 0] <= 0.5).mean(), (positive[classes == 1] <= 0.5).mean()]
    gain = np.concatenate([[at_half[0] - at_half[1]], under[0] - under[1]])
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return float(between[best[np.argmin(np.abs(between[best] - 0.5))]])


def check_threshold(threshold: float | None, n_classes: int) -> float | None:
    """Gives the threshold back.

    Raises:
        ConfigurationError: If it lies outside (0, 1), or there are other than two classes.
    """
    if threshold is None:
        return None
    if n_classes != 2 or not 0 < threshold < 1:
        raise ConfigurationError(
            f"a threshold lies in (0, 1) and decides between two classes, got {threshold} and "
            f"{n_classes} classes"
        )
    return float(threshold)


def decided(probabilities: Floats, threshold: float | None) -> NDArray[np.intp]:
    """The class of each row, intp (n,), given probabilities (n, K).

    Args:
        probabilities: Of the classes.
        threshold: The second of two classes is chosen above it; None chooses the most probable.

    Example:
        >>> decided(np.array([[0.7, 0.3], [0.9, 0.1]]), 0.2).tolist()
        [1, 0]
    """
    if threshold is None:
        largest: NDArray[np.intp] = probabilities.argmax(axis=1)
        return largest
    # In doubles: half-way between two neighbours of single precision lies none of these.
    return (probabilities[:, 1].astype(np.float64) > threshold).astype(np.intp)
