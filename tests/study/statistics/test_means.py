"""Intervals, equivalence and power of a mean over tables, against scipy and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.means import (
    detectable_effect,
    equivalence_p,
    student_interval,
)


def values(n: int, mean: float = 0.0, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, n)


def test_the_interval_is_students() -> None:
    x = values(12)
    found = student_interval(x, 0.9)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert math.isnan(student_interval(x[:1], 0.95).low)


@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.05, 0.4])
def test_equivalence_is_two_t_tests(mean: float) -> None:
    x = values(20, mean)
    above = stats.ttest_1samp(x, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(x, 0.5, alternative="less").pvalue
    assert equivalence_p(x, 0.5) == pytest.approx(max(above, below))
    interval = student_interval(x, 0.9)  # the usual reading: the 90 % interval lies within
    assert (equivalence_p(x, 0.5) < 0.05) == (interval.low > -0.5 and interval.high < 0.5)


def test_an_effect_at_the_bound_is_seldom_called_none() -> None:
    found = [equivalence_p(values(15, 0.1, 0.1, seed), 0.1) < 0.05 for seed in range(2_000)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


def test_equal_values_and_single_ones() -> None:
    assert equivalence_p(np.zeros(5)) == 0
    assert equivalence_p(np.full(5, 0.2)) == 1
    assert math.isnan(equivalence_p(np.array([0.0])))
    assert math.isnan(detectable_effect(np.array([0.0])))
    assert detectable_effect(np.zeros(5)) == 0
    with pytest.raises(ConfigurationError, match="a bound above 0, got 0"):
        equivalence_p(np.zeros(5), 0.0)


@pytest.mark.parametrize("n", [5, 24])
def test_the_detectable_effect_is_detected_as_often_as_said(n: int) -> None:
    spread = values(n)
    spread = (spread - spread.mean()) / spread.std(ddof=1)
    effect = detectable_effect(spread)
    draws = np.random.default_rng(1).normal(effect, 1.0, (20_000, n))
    shown = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert shown.mean() == pytest.approx(0.8, abs=0.01)


def test_more_tables_show_smaller_effects() -> None:
    few, many = (detectable_effect(np.tile([-1.0, 1.0], n)) for n in (5, 50))
    assert many < few / 3
