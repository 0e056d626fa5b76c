"""What is said of a mean over tables: its interval, whether it is nothing, and what it could show.

One rule tells the two kinds of intervals apart: a mean over tables has Student's, and everything
else (medians, spreads, shares of tables) the bootstrap's, as there is no other. Percentile
intervals are too narrow where tables are few (`bootstrap`), Student's is not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.bootstrap import Estimate, Floats

EQUIVALENT = 0.1
"""Percent of zero-shot within which an effect is as good as none [our choice]."""

POWER = 0.8
"""With which an effect counts as one that the tables could have shown, as is usual."""


def student_interval(values: Floats, level: float) -> Estimate:
    """The mean with Student's confidence interval; no interval with fewer than two values."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, np.nan, np.nan)
    half = _t(len(values)).ppf((1 + level) / 2) * _standard_error(values)
    return Estimate(mean, mean - float(half), mean + float(half))


def equivalence_p(values: Floats, bound: float = EQUIVALENT) -> float:
    """P of the two one-sided t-tests that the mean lies within (−bound, bound).

    Below .05, an effect as large as the bound is ruled out in either direction: "no effect" is then
    a statement, where a wide interval about 0 is none (Schuirmann, 1987).

    Args:
        values: One effect per table, float64 (T,).
        bound: The smallest effect that counts, above 0.

    Returns:
        NaN with fewer than two values.

    Raises:
        ConfigurationError: If the bound is not above 0.

    Example:
        >>> round(equivalence_p(np.array([-0.02, 0.01, 0.03, 0.0, -0.01]), 0.1), 4)
        0.0002
        >>> round(equivalence_p(np.array([-0.2, 0.1, 0.3, 0.0, -0.1]), 0.1), 2)
        0.2
    """
    if not bound > 0:
        raise ConfigurationError(f"equivalence needs a bound above 0, got {bound}")
    if len(values) < 2:
        return math.nan
    mean, error = float(values.mean()), _standard_error(values)
    nearest = bound - abs(mean)  # the bound on the side of the mean decides
    if error == 0:
        return 0.0 if nearest > 0 else 1.0
    return float(_t(len(values)).sf(nearest / error))


def detectable_effect(values: Floats, level: float = 0.95, power: float = POWER) -> float:
    """The effect that so many tables with such a spread would have shown with that power.

    The mean of a two-sided t-test at `level` for which it rejects with probability `power`, by the
    noncentral t distribution, at the standard deviation found.

    Args:
        values: One effect per table, float64 (T,).
        level: Of the test.
        power: Probability of showing it.

    Returns:
        In the unit of the values; NaN with fewer than two.

    Example:
        >>> spread = np.array([-1.0, 1.0] * 17)  # 34 tables, standard deviation 1.015
        >>> round(detectable_effect(spread), 3)
        0.502
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    if len(values) < 2:
        return math.nan
    error, freedom = _standard_error(values), len(values) - 1
    critical = float(_t(len(values)).ppf((1 + level) / 2))

    def lacking(noncentrality: float) -> float:
        """Without the tail of the wrong sign, which is below .001 where the power is not small."""
        return float(1 - nct.cdf(critical, freedom, noncentrality) - power)

    return error * float(brentq(lacking, 0.0, 2 * critical + 10.0))


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _t(n: int) -> Any:
    """Student's distribution of a mean of n values."""
    from scipy.stats import t

    return t(n - 1)
