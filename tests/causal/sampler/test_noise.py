"""Kinds of noise: smoothed residuals, residuals whose size depends on the parents."""

import numpy as np
import pytest

from lit_causalmix.causal.models.fit import NodeData, fit_scms
from lit_causalmix.causal.sampler.noise import ScaledAdditive, smooth
from lit_causalmix.causal.sampler.scores import LinearScores
from lit_causalmix.tables.schema import Column, ColumnKind


def test_smoothing_keeps_mean_and_variance_and_fills_the_gaps() -> None:
    rng = np.random.default_rng(0)
    residuals = np.concatenate([rng.normal(-3, 1, 60), rng.exponential(2.0, 100)])
    pool = smooth(residuals)
    assert len(pool) == 16 * len(residuals)
    assert pool.mean() == pytest.approx(residuals.mean())
    assert pool.std() == pytest.approx(residuals.std())
    wide = [np.quantile(np.diff(np.sort(values)), 0.99) for values in (residuals, pool)]
    assert wide[1] < wide[0] / 4
    assert len(np.unique(np.round(pool, 9))) > 10 * len(residuals)


def test_smoothing_what_does_not_vary() -> None:
    assert (smooth(np.zeros(5)) == 0).all()
    spike = smooth(np.array([0.0] * 99 + [1.0]))  # no quartile range
    assert np.isfinite(spike).all()
    assert spike.std() == pytest.approx(np.array([0.0] * 99 + [1.0]).std())


def two_nodes(n: int = 2000) -> NodeData:
    """The spread of y grows with x."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 4, n)
    y = x + (0.1 + x / 2) * rng.normal(size=n)
    columns = (Column("x", ColumnKind.NUMERICAL), Column("y", ColumnKind.NUMERICAL))
    return NodeData(columns, np.column_stack([x, y]), np.zeros((n, 2), dtype=bool))


DAG = np.array([[[0, 1], [0, 0]]], dtype=bool)


@pytest.mark.parametrize("mechanism", ["linear", "boosting"])
def test_the_spread_follows_the_parents(mechanism: str) -> None:
    data, spread = two_nodes(), {}
    for noise in ("residual", "heteroscedastic"):
        fitted = fit_scms(data, DAG, mechanism=mechanism, noise=noise, seed=0, progress=False)
        rows = fitted.ensemble.sample(20_000, np.random.default_rng(0), rows_per_model=10**6)
        low, high = rows[rows[:, 0] < 0.5], rows[rows[:, 0] > 3.5]
        spread[noise] = high[:, 1].std() / low[:, 1].std()
        assert abs(rows[:, 1].std() / data.values[:, 1].std() - 1) < 0.06
    assert spread["residual"] < 1.5
    assert 4 < spread["heteroscedastic"] < 12  # in truth about 8


def test_the_size_of_the_noise_is_bounded() -> None:
    none = np.empty(0, dtype=np.int64)
    zero = LinearScores(np.zeros(1), none, np.empty((0, 1)), ())
    slope = LinearScores(np.zeros(1), np.array([0]), np.ones((1, 1)), ())
    node = ScaledAdditive(zero, slope, 0.5, 2.0, np.array([-1.0, 1.0]), -1.5, 9.0, integer=False)
    values = np.array([[-7.0], [1.0], [99.0], [99.0]])
    assert node.evaluate(values, np.array([1.0, 1.0, 1.0, -1.0])).tolist() == [0.5, 1.0, 2.0, -1.5]
    assert node.noise(np.array([0.0, 0.49, 0.5, 0.99])).tolist() == [-1, -1, 1, 1]


def test_a_node_that_its_parents_determine() -> None:
    data = two_nodes(100)
    data.values[:, 1] = np.round(data.values[:, 0])
    data.values[:, 0] = data.values[:, 1]
    for noise in ("smoothed", "heteroscedastic"):
        fitted = fit_scms(data, DAG, mechanism="linear", noise=noise, seed=0, progress=False)
        rows = fitted.ensemble.sample(200, np.random.default_rng(0), rows_per_model=64)
        np.testing.assert_allclose(rows[:, 0], rows[:, 1], atol=0.1)
