"""Location and scale that no finite column can overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def location_scale(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns mean and standard deviation per column, (d,) each; a deviation of 0 becomes 1."""
    largest = np.abs(values).max(axis=0, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    unit = values / largest
    location, scale = unit.mean(axis=0) * largest, unit.std(axis=0) * largest
    return location, np.where(scale > 0, scale, 1.0)
