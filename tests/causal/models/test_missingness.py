"""What is missing where: rates, dependence on values, gaps that come together."""

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.missingness import Gap, calibrate, draw_gaps, fit_gaps
from lit_causalmix.causal.sampler.scores import LinearScores
from lit_causalmix.tables.schema import Column, ColumnKind

N = 1500
A, B, COLOUR, C, ALSO_A, D, EMPTY = range(7)
COLUMNS = (
    *(Column(name, ColumnKind.NUMERICAL) for name in "ab"),
    Column("colour", ColumnKind.CATEGORICAL, ("red", "green", "blue")),
    *(Column(name, ColumnKind.NUMERICAL) for name in ("c", "also a", "d", "empty")),
)


def rows(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Gaps in a and "also a" follow b; in c, the colour; in d, the gaps in a and |b|."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 7))
    values[:, COLOUR] = rng.integers(3, size=n)
    missing = np.zeros((n, 7), dtype=bool)
    missing[:, A] = rng.random(n) < 1 / (1 + np.exp(-2 * values[:, B]))
    missing[:, ALSO_A] = missing[:, A]
    missing[:, C] = rng.random(n) < np.array([0.0, 0.1, 0.8])[values[:, COLOUR].astype(int)]
    missing[:, D] = rng.random(n) < 0.1 + 0.4 * missing[:, A] + 0.4 * (np.abs(values[:, B]) > 1.5)
    missing[:, EMPTY] = True
    return values, missing


def learned() -> tuple[tuple[Gap, ...], NDArray[np.float64], NDArray[np.bool_]]:
    values, missing = rows(N, 0)
    imputed = np.where(missing, 0.0, values)
    nodes = (A, B, COLOUR, C, ALSO_A, D)
    gaps = fit_gaps(imputed, missing, COLUMNS, nodes, seed=0)
    fresh, truth = rows(20_000, 1)
    gaps = calibrate(gaps, fresh[:5000], missing, np.random.default_rng(2))
    return gaps, fresh, truth


def test_gaps_follow_the_values() -> None:
    gaps, values, truth = learned()
    drawn = draw_gaps(gaps, values, np.random.default_rng(3))
    low, high = values[:, B] < -1, values[:, B] > 1
    for part in (low, high):
        assert abs(drawn[part, A].mean() - truth[part, A].mean()) < 0.06
    assert drawn[high, A].mean() - drawn[low, A].mean() > 0.6
    for code in range(3):
        part = values[:, COLOUR] == code
        assert abs(drawn[part, C].mean() - truth[part, C].mean()) < 0.06


def test_a_dependence_that_is_not_monotone_is_found() -> None:
    gaps, values, truth = learned()
    drawn = draw_gaps(gaps, values, np.random.default_rng(3))
    tails = np.abs(values[:, B]) > 2
    assert abs(drawn[tails, D].mean() - truth[tails, D].mean()) < 0.1


def test_gaps_that_come_together_stay_together() -> None:
    gaps, values, truth = learned()
    drawn = draw_gaps(gaps, values, np.random.default_rng(3))
    assert (drawn[:, ALSO_A] == drawn[:, A]).all()
    for given in (True, False):
        share = drawn[drawn[:, A] == given, D].mean()
        assert abs(share - truth[truth[:, A] == given, D].mean()) < 0.05


def test_rates_are_kept_and_nothing_else_is_missing() -> None:
    gaps, values, _ = learned()
    _, missing = rows(N, 0)
    drawn = draw_gaps(gaps, values, np.random.default_rng(3))
    rate = missing.mean(axis=0)
    rate[EMPTY] = 0.0  # an empty column is a constant and no gap
    np.testing.assert_allclose(drawn.mean(axis=0), rate, atol=0.02)
    assert not drawn[:, B].any()


def test_rates_are_kept_where_values_drift() -> None:
    values, missing = rows(N, 0)
    gaps = fit_gaps(np.where(missing, 0.0, values), missing, COLUMNS, (A, B), seed=0)
    drifted = rows(5000, 1)[0] + 0.8
    drifted[:, COLOUR] = 0
    calibrated = calibrate(gaps, drifted, missing, np.random.default_rng(2))
    before, after = (
        draw_gaps(g, drifted, np.random.default_rng(3))[:, A].mean() for g in (gaps, calibrated)
    )
    assert abs(after - missing[:, A].mean()) < 0.02 < abs(before - missing[:, A].mean())


def test_gaps_at_random_depend_on_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, 3))
    missing = np.zeros((N, 3), dtype=bool)
    missing[:, 0] = rng.random(N) < 0.3
    missing[:4, 1] = True  # too few to say more
    columns = tuple(Column(name, ColumnKind.NUMERICAL) for name in "abc")
    for gap in fit_gaps(values, missing, columns, (0, 1, 2), seed=0):
        assert isinstance(gap.scores, LinearScores)
        assert not gap.scores.weights.size


def test_no_gaps() -> None:
    values = np.random.default_rng(0).normal(size=(50, 7))
    none = np.zeros((50, 7), dtype=bool)
    assert fit_gaps(values, none, COLUMNS, (0, 1), seed=0) == ()
    assert not draw_gaps((), values, np.random.default_rng(0)).any()
