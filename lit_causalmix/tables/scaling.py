"""Location and scale of numbers, in the one place from which everything takes them.

What is coded lies within ±`LARGEST`, so squares, products and sums of numbers stay finite
everywhere behind the table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e100
"""Largest magnitude of a number in a table; its square is far from the end of float64."""

SMALLEST = 1e-100
"""A column whose largest magnitude is smaller, and not 0, would vanish in its squares."""

FAR = 1e4
"""Interquartile ranges from the median beyond which a cell is no part of a column's spread."""

APART = 30.0
"""How many times as far from the median as all nearer cells a cell stands that is a code."""

FLATTENED = 1e5
"""Standard deviations in interquartile ranges above which float32 tells the other cells poorly."""

FARTHEST = 1e6
"""Largest magnitude of a standardised number: far ones differ no more, and squares stay finite."""

_SINGLE = (1e-30, 1e30)
"""Between which largest magnitudes of a column float32 holds its numbers."""

Floats = NDArray[np.float64]


def location_scale(values: Floats) -> tuple[Floats, Floats]:
    """Returns mean and standard deviation per column, (d,) each; a deviation of 0 becomes 1.

    Args:
        values: float64 (n, d), without NaN.
    """
    largest = np.abs(values).max(axis=0, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    unit = values / largest
    location, scale = unit.mean(axis=0) * largest, unit.std(axis=0) * largest
    return location, np.where(scale > 0, scale, 1.0)


def known_location_scale(values: Floats) -> tuple[Floats, Floats]:
    """The same over the known cells of each column, float64 (n, d) with NaN; (0, 1) if none is.

    Example:
        >>> location, scale = known_location_scale(np.array([[1.0, 5.0], [3.0, np.nan]]))
        >>> location.tolist(), scale.tolist()
        ([2.0, 5.0], [1.0, 1.0])
    """
    location, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    known = ~np.isnan(values).all(axis=0)
    location[known] = np.nanmean(values[:, known], axis=0)
    deviation = np.nanstd(values[:, known], axis=0)
    scale[known] = np.where(deviation > 0, deviation, 1.0)
    return location, scale


def moments(column: Floats) -> tuple[float, float]:
    """Returns mean and deviation of the known cells, float64 (n,); (0, 0) if none vary.

    Example:
        >>> moments(np.array([1.0, 3.0, np.nan])), moments(np.array([7.0, 7.0]))
        ((2.0, 1.0), (0.0, 0.0))
    """
    known = column[~np.isnan(column)]
    if len(known) == 0 or known.min() == known.max():
        return 0.0, 0.0
    size = float(np.abs(known).max())
    return float((known / size).mean() * size), float((known / size).std() * size)


def far(values: Floats) -> NDArray[np.bool_]:
    """Which cells lie so far out that squares of the column's other cells vanish beside theirs.

    Such are codes for a gap (99999, 1e20) or slips of the pen. [our choice]

    Args:
        values: float64 (n, d), NaN in gaps.

    Returns:
        bool (n, d): beyond `FAR` interquartile ranges from the median; in a column where half of
        the known cells are alike, `FAR` times as far from them as the root mean square of all
        nearer cells.

    Example:
        >>> far(np.array([[1.0], [2.0], [3.0], [4.0], [99999.0]])).ravel().tolist()
        [False, False, False, False, True]
        >>> far(np.array([[0.0], [0.0], [0.0], [2.0], [99999.0]])).ravel().tolist()
        [False, False, False, False, True]
    """
    found = np.zeros(values.shape, dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(values).all(axis=0))
    if not len(known):
        return found
    low, middle, high = np.nanpercentile(values[:, known], [25, 50, 75], axis=0)
    found[:, known] = (high > low) & (np.abs(values[:, known] - middle) / FAR > high - low)
    for j in known[high == low]:
        found[:, j] = _outer(
            values[:, j], lambda near: FAR * np.hypot.accumulate(near) / np.sqrt(len(near))
        )
    return found


def apart(values: Floats) -> NDArray[np.bool_]:
    """Which cells stand alone, far from all others: codes such as 99999 in a column of ages.

    Squares of the other cells need not vanish beside theirs, unlike those of `far`, but the
    deviation of the column is theirs alone. Long tails rarely have such a gap. [our choice]

    Args:
        values: float64 (n, d), NaN in gaps.

    Returns:
        bool (n, d): beyond a gap in the distances from the median, the next one being more than
        `APART` times the last.

    Example:
        >>> apart(np.array([[18.0], [80.0], [45.0], [99999.0], [-99999.0]])).ravel().tolist()
        [False, False, False, True, True]
    """
    found = np.zeros(values.shape, dtype=np.bool_)
    for j in range(values.shape[1]):
        found[:, j] = _outer(values[:, j], lambda near: APART * near)
    return found


def _outer(column: Floats, reach: Callable[[Floats], Floats]) -> NDArray[np.bool_]:
    """Which cells lie beyond the reach of all that are nearer to the median, bool (n,).

    Nearer are half of the known cells at least, and half of the distances that occur: otherwise, a
    single small number among zeros would put all others out of reach.

    Args:
        column: float64 (n,), NaN in gaps.
        reach: From ascending distances (m,), how far out the cell after each may lie, (m,).
    """
    found, known = np.zeros(len(column), dtype=np.bool_), ~np.isnan(column)
    if not known.any():
        return found
    distance = np.abs(column[known] - np.median(column[known]))
    levels = np.unique(distance[distance > 0])
    if len(levels) < 2:
        return found
    near = np.sort(distance)
    inner = near >= levels[(len(levels) - 1) // 2]
    inner[: (len(near) - 1) // 2] = False
    gap = inner[:-1] & (near[1:] > reach(near)[:-1])
    if gap.any():
        found[known] = distance > near[gap.argmax()]
    return found


def unflattened(column: Floats) -> Floats:
    """The known cells of a column, (m,), without far ones if float32 tells the others poorly.

    Args:
        column: float64 (n,), NaN in gaps.
    """
    known = column[~np.isnan(column)]
    _, deviation = moments(known)
    spread = np.subtract(*np.percentile(known, [75, 25])) if deviation > 0 else 0.0
    if deviation / FLATTENED <= spread:
        return known
    rest = known[~far(known[:, None])[:, 0]]
    _, own = moments(rest)
    return rest if own > 0 and (spread or own) < deviation / FLATTENED else known


def single_location_scale(values: Floats) -> tuple[Floats, Floats]:
    """`known_location_scale` of what is read in float32: without far cells that flatten the others.

    What is standardised by it may lie far out, and is to be clipped to ±`FARTHEST`.

    Example:
        >>> column = np.array([1.0, 2.0, 3.0, 4.0, 1e10])[:, None]
        >>> location, scale = single_location_scale(column)
        >>> location.tolist(), scale.round(3).tolist()
        ([2.5], [1.118])
    """
    location, scale = known_location_scale(values)
    for j, column in enumerate(values.T):
        rest = unflattened(column)
        if len(rest) < (~np.isnan(column)).sum():  # else to the bit as it was
            location[j], scale[j] = moments(rest)
    return location, scale


def single_unit(values: Floats) -> Floats:
    """What to divide each column by for whoever reads it in float32, (d,): 1 where that holds it.

    Args:
        values: float64 (n, d), NaN in gaps.

    Example:
        >>> single_unit(np.array([[1.0, 1e60], [-5.0, np.nan]])).tolist()
        [1.0, 1e+60]
    """
    largest = np.nanmax(np.abs(values), axis=0, initial=0.0)
    fits = (largest == 0) | ((largest > _SINGLE[0]) & (largest < _SINGLE[1]))
    return np.where(fits, 1.0, largest)
