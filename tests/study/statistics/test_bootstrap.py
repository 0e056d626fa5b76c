import math

import numpy as np
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics import Bootstrap
from lit_causalmix.study.statistics.bootstrap import Floats, resampled_means


def mean(means: Floats) -> Floats:
    return np.asarray(means.mean(axis=-1))


def tables(generator: np.random.Generator, n: int, seeds: int = 5) -> list[Floats]:
    return [generator.normal(level, 1, seeds) for level in generator.normal(0, 1, n)]


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    estimates = [Bootstrap(300, 0.9, i).estimate(tables(generator, 25), mean) for i in range(400)]
    coverage = np.mean([e.low <= 0 <= e.high for e in estimates])
    assert 0.86 < coverage < 0.96


def test_variance_is_that_of_both_levels() -> None:
    generator = np.random.default_rng(1)
    data = tables(generator, 40, seeds=4)
    drawn = resampled_means(data, 20_000, 0).mean(axis=1).var()
    means = np.array([t.mean() for t in data])
    within = np.mean([t.var() / len(t) for t in data])
    assert drawn == pytest.approx((means.var() + within) / 40, rel=0.05)


def test_tables_with_unequal_numbers_of_seeds_weigh_alike() -> None:
    data = [np.zeros(1), np.full(9, 10.0)]
    drawn = resampled_means(data, 4000, 0)
    assert set(np.unique(drawn)) == {0.0, 10.0}
    assert drawn.mean() == pytest.approx(5, abs=0.3)
    assert Bootstrap().estimate(data, mean).value == 5


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"a level in \(0, 1\), got 2000 and 95"):
        Bootstrap(level=95)


def test_same_seed_same_bits_and_one_table_has_no_interval() -> None:
    data = tables(np.random.default_rng(2), 6)
    assert Bootstrap(seed=3).estimate(data, mean) == Bootstrap(seed=3).estimate(data, mean)
    assert Bootstrap(seed=3).estimate(data, mean) != Bootstrap(seed=4).estimate(data, mean)
    alone = Bootstrap().estimate(data[:1], mean)
    assert alone.value == pytest.approx(data[0].mean())
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
