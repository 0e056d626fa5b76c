"""Jitter and independent columns against known answers, beside structural causal models."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators import (
    Generator,
    IndependentColumnsGenerator,
    JitterGenerator,
    SCMGenerator,
)
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

NUMBER = ColumnKind.NUMERICAL

# left → middle ← right and middle → target: every direction follows from the independences.
WEIGHTS = np.zeros((4, 4))  # [effect, cause]
WEIGHTS[2, 0], WEIGHTS[2, 1], WEIGHTS[3, 2] = 0.6, 0.6, 0.8
NOISE = np.diag([1.0, 1.0, 1 - 0.6**2 - 0.6**2, 1 - 0.8**2])  # so that every variance is 1
PATHS = np.linalg.inv(np.eye(4) - WEIGHTS)
COVARIANCE = PATHS @ NOISE @ PATHS.T
SIZE = np.array([1.0, 10.0, 3.0, 0.1])
MEAN = np.array([0.0, 50.0, -7.0, -3.0])


def rows_of(generator: Generator, table: Table, n: int) -> NDArray[np.float64]:
    generator.fit(table, seed=0, progress=False)
    return generator.sample(n, np.random.default_rng(0))


@pytest.fixture(scope="module")
def gaussian() -> Table:
    """A thousand rows of a linear Gaussian causal model whose moments are known."""
    noise = np.random.default_rng(0).standard_normal((1000, 4)) * np.sqrt(np.diag(NOISE))
    features = tuple(Column(name, NUMBER) for name in ("left", "right", "middle"))
    schema = Schema(features, Column("target", NUMBER), TaskType.REGRESSION)
    return Table("gaussian", "test", schema, MEAN + SIZE * (noise @ PATHS.T), np.arange(1000))


def moments(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance in the units of the model before its columns were scaled."""
    unit = (rows - MEAN) / SIZE
    return unit.mean(axis=0), np.cov(unit.T)


# Standard error of a mean, variance or covariance of 1,000 rows of unit variance: at most
# √(2 / 1000) = .045.
WITHIN = 3 * 0.045


@pytest.mark.parametrize("scale", ["raw", "quantile"])
def test_structural_causal_models_recover_the_moments_of_a_gaussian_model(
    gaussian: Table, scale: str
) -> None:
    settings: dict[str, Any] = {"n_dags": 3, "n_resamples": 2, "mechanism": "linear"}
    mean, covariance = moments(rows_of(SCMGenerator(scale=scale, **settings), gaussian, 20_000))
    assert np.abs(mean).max() < WITHIN
    assert np.abs(covariance - COVARIANCE).max() < WITHIN


def test_independent_columns_keep_the_marginals_and_no_covariance(gaussian: Table) -> None:
    rows = rows_of(IndependentColumnsGenerator(), gaussian, 20_000)
    mean, covariance = moments(rows)
    assert np.abs(mean).max() < WITHIN
    assert np.abs(np.diag(covariance) - 1).max() < WITHIN
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 3 / np.sqrt(20_000)
    for j in range(4):
        assert set(rows[:, j]) <= set(gaussian.values[:, j])


def test_independent_columns_keep_the_rate_of_gaps_and_of_categories(mixed: Table) -> None:
    rows = rows_of(IndependentColumnsGenerator(), mixed, 20_000)
    assert np.abs(np.isnan(rows).mean(axis=0) - np.isnan(mixed.values).mean(axis=0)).max() < 0.01
    for code in range(3):
        assert (rows[:, 2] == code).mean() == pytest.approx(
            (mixed.values[:, 2] == code).mean(), abs=0.012
        )
    assert np.isclose(np.corrcoef(rows[:, 2], rows[:, 3])[0, 1], 0, atol=0.03)


@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 1.0])
def test_jitter_inflates_the_variance_by_one_plus_its_bandwidth_squared(
    gaussian: Table, bandwidth: float
) -> None:
    generator = JitterGenerator(bandwidth=bandwidth)
    generator.fit(gaussian, seed=0, progress=False)
    smoothed = generator.learned.smoothed(200_000, np.random.default_rng(0))
    train = np.cov(gaussian.values.T)
    expected = train + np.diag(bandwidth**2 * np.diag(train))
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert (np.abs(np.cov(smoothed.T) - expected) / scale).max() < 0.01
    rows = generator.sample(5000, np.random.default_rng(0))
    assert (rows >= gaussian.values.min(axis=0)).all()
    assert (rows <= gaussian.values.max(axis=0)).all()


def test_jitter_without_noise_is_a_bootstrap(mixed: Table) -> None:
    rows = rows_of(JitterGenerator(bandwidth=0.0, flip_probability=0.0), mixed, 2000)
    train = {tuple(row) for row in np.nan_to_num(mixed.values, nan=-1e9).tolist()}
    assert {tuple(row) for row in np.nan_to_num(rows, nan=-1e9).tolist()} == train


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_jitter_draws_categories_anew_at_the_given_rate(mixed: Table, probability: float) -> None:
    # Two columns that name the same colours agree where neither or both are drawn anew alike.
    rows = rows_of(JitterGenerator(flip_probability=probability), mixed, 20_000)
    shares = np.bincount(mixed.values[:, 2].astype(int)) / len(mixed)
    twin = np.array([0, 2, 1])[rows[:, 2].astype(int)]
    kept = (1 - probability) ** 2
    expected = kept + (1 - kept) * (shares**2).sum()
    assert (twin == rows[:, 3]).mean() == pytest.approx(expected, abs=0.012)
    assert (rows[:, 2] == 0).mean() == pytest.approx(shares[0], abs=0.012)


def numbered(mixed: Table) -> Table:
    """The table with its first column, of whole numbers, numbering the rows."""
    return replace(
        mixed, values=np.column_stack([np.arange(len(mixed)) * 10.0, mixed.values[:, 1:]])
    )


def test_jitter_keeps_class_labels_and_gaps_and_moves_numerical_targets(
    mixed: Table, mixed_regression: Table
) -> None:
    small = 1e-5  # noise that the whole numbers are rounded free of
    for table in (numbered(mixed), numbered(mixed_regression)):
        rows = rows_of(JitterGenerator(bandwidth=small, flip_probability=1.0), table, 500)
        origin = table.values[(rows[:, 0] / 10).astype(int)]
        assert (rows[:, 0] == origin[:, 0]).all()
        assert (np.isnan(rows) == np.isnan(origin)).all()
        same = rows[:, -1] == origin[:, -1]
        if table.schema.n_classes:
            assert same.all()
        else:
            assert same.mean() < 0.1  # only at the ends of the range
            assert np.abs(rows[:, -1] - origin[:, -1]).max() < 5 * small * origin[:, -1].std()


@pytest.mark.parametrize(
    "wrong",
    [
        {"bandwidth": -0.1},
        {"bandwidth": float("inf")},
        {"bandwidth": float("nan")},
        {"flip_probability": 1.1},
        {"flip_probability": float("nan")},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        JitterGenerator(**wrong)
