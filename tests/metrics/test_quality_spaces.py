"""Known answers for the measures over embedded rows: α-precision, β-recall, Fréchet, RFIS."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.metrics.quality import (
    Embedding,
    faed,
    fpcad,
    frechet_distance,
    inception_score,
    precision_recall,
    random_forest_inception_score,
)
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

Floats = NDArray[np.float64]

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "precision_recall.json"
NUMBER = Column("a", ColumnKind.NUMERICAL)
COLOUR = Column("c", ColumnKind.CATEGORICAL, ("r", "g", "b"))
SCHEMA = Schema((NUMBER, COLOUR), Column("t", ColumnKind.CATEGORICAL, ("n", "y")), TaskType.BINARY)
REGRESSION = Schema((NUMBER, COLOUR), Column("t", ColumnKind.NUMERICAL), TaskType.REGRESSION)


def normal(n: int, columns: int = 4, *, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, columns))


def rows(n: int, *, seed: int) -> Floats:
    """Coded rows of SCHEMA whose target follows from the number, but for noise."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    return np.column_stack([number, rng.integers(0, 3, n), number + 0.1 * rng.normal(size=n) > 0])


# -- embedding ----------------------------------------------------------------------------------


def test_embedding_by_hand() -> None:
    train = np.array([[1.0, 0, 0], [3, 1, 1], [np.nan, 1, 1]])
    embed = Embedding.fit(SCHEMA, train)
    made = np.array([[5.0, 2, 1], [np.nan, np.nan, 0]])
    expected = [[3, 0, 0, 0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1, 1, 0, 0]]
    assert embed(made).tolist() == expected
    assert embed.features(made).tolist() == [row[:6] for row in expected]


def test_embedding_leaves_constants_out_and_clips_what_would_overflow() -> None:
    train = np.column_stack([np.full(4, 7.0), [0, 1, 2, 0], [0, 1, 0, 1.0]])
    assert Embedding.fit(SCHEMA, train)(train).shape == (4, 4 + 3)
    varied = train.copy()
    varied[:, 0] = [1e300, -1e300, 0, 1e299]
    embed = Embedding.fit(SCHEMA, varied)
    assert np.isfinite(embed(varied)).all()
    narrow = Embedding.fit(SCHEMA, rows(20, seed=0))
    assert narrow(varied)[0, 0] == 1e3


# -- α-precision, β-recall, authenticity --------------------------------------------------------


@pytest.mark.parametrize(
    "case", json.loads(REFERENCE.read_text())["cases"], ids=lambda c: c["name"]
)
def test_values_of_the_published_implementation(case: dict[str, Any]) -> None:
    """Recorded by scripts/record_precision_recall_reference.py, which makes the same points."""
    rng, shape = np.random.default_rng(0), (case["n"], case["columns"])
    real = rng.normal(size=shape)
    found = precision_recall(real, case["shift"] + case["scale"] * rng.normal(size=shape))
    assert found.precision_curve == pytest.approx(case["precision_curve"], abs=1e-12)
    assert found.recall_curve == pytest.approx(case["recall_curve"], abs=1e-12)
    assert found.alpha_precision == pytest.approx(case["alpha_precision"], abs=1e-12)
    assert found.beta_recall == pytest.approx(case["beta_recall"], abs=1e-12)


def test_the_true_distribution_has_precision_1_and_recall_a_half() -> None:
    found = precision_recall(normal(1500, seed=0), normal(1500, seed=1))
    assert found.alpha_precision == pytest.approx(1, abs=0.05)
    assert found.beta_recall == pytest.approx(0.5, abs=0.05)
    assert found.coverage == pytest.approx(0.5, abs=0.05)
    assert found.authenticity == pytest.approx(0.5, abs=0.05)


def test_copies_are_precise_and_complete_but_not_authentic() -> None:
    real = normal(300, seed=0)
    found = precision_recall(real, real)
    assert found.alpha_precision == pytest.approx(1, abs=0.01)
    assert found.beta_recall == pytest.approx(1, abs=0.01)
    assert found.authenticity == 0
    noisy = precision_recall(real, real + 1e-3 * normal(300, seed=1))
    assert noisy.authenticity < 0.05, "copies with a little noise are no new rows"


def test_disjoint_rows_are_neither_precise_nor_complete() -> None:
    found = precision_recall(normal(300, seed=0), normal(300, seed=1) + 50)
    assert found.alpha_precision == pytest.approx(0, abs=1e-9)
    assert found.beta_recall == pytest.approx(0, abs=1e-9)
    assert found.authenticity == 1


def test_mode_collapse_keeps_precision_and_loses_recall() -> None:
    """Two modes alike, of which the generator knows one."""
    side = np.repeat([[-20.0, 0, 0, 0], [20, 0, 0, 0]], 400, axis=0)
    real = side + normal(800, seed=0)
    fresh = precision_recall(real, side + normal(800, seed=1))
    collapsed = precision_recall(real, side[:1] + normal(800, seed=2))
    assert collapsed.alpha_precision > 0.9
    assert fresh.alpha_precision > 0.9
    assert collapsed.coverage < 0.75 * fresh.coverage
    five_rows = precision_recall(real, np.repeat(real[:5], 160, axis=0))
    assert five_rows.beta_recall < 0.02
    assert five_rows.coverage < 0.02


def test_repeated_real_rows_are_covered_as_single_ones_are() -> None:
    real, fresh = normal(300, seed=0), normal(900, seed=1)
    once, thrice = precision_recall(real, fresh), precision_recall(real.repeat(3, axis=0), fresh)
    assert thrice.coverage == once.coverage
    assert thrice.authenticity == once.authenticity
    assert precision_recall(real[:1].repeat(4, axis=0), fresh[:4]).coverage == 0


# -- Fréchet distances --------------------------------------------------------------------------


def exact_moments(points: Floats, mean: Floats, root: Floats) -> Floats:
    """Moves points so that mean and covariance (root rootᵀ) are exactly these."""
    centred = points - points.mean(axis=0)
    white = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T
    moved: Floats = white @ root.T + mean
    return moved


def test_frechet_distance_of_two_gaussians_in_closed_form() -> None:
    """Commuting covariances: ‖Δμ‖² + Σ (√λ_a − √λ_b)²."""
    a = exact_moments(normal(50, 3, seed=0), np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    b = exact_moments(normal(70, 3, seed=1), np.array([1.0, 0.0, -2.0]), np.diag([2.0, 2.0, 0.5]))
    expected = 5 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected)
    turn = np.linalg.qr(normal(3, 3, seed=2))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(expected)
    assert frechet_distance(a[:, :1], b[:, :1]) == pytest.approx(1 + 1)


def test_frechet_distance_agrees_with_a_general_matrix_square_root() -> None:
    from scipy.linalg import sqrtm

    a, b = (
        normal(60, 5, seed=0) @ normal(5, 5, seed=1),
        normal(80, 5, seed=2) @ normal(5, 5, seed=3),
    )
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(axis=0) - b.mean(axis=0)
    expected = gap @ gap + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distances_are_0_for_the_same_rows_and_grow_with_corruption() -> None:
    train, fresh = normal(300, 6, seed=0), normal(300, 6, seed=1)
    assert fpcad(train, train, train) == pytest.approx(0, abs=1e-9)
    assert faed(train, train, train, seed=0) == pytest.approx(0, abs=1e-9)
    shifts = [0.0, 0.5, 1.0, 2.0]
    by_components = [fpcad(train, train, fresh + shift) for shift in shifts]
    by_codes = [faed(train, train, fresh + shift, seed=0) for shift in shifts]
    assert by_components == sorted(by_components)
    assert by_codes == sorted(by_codes)
    assert by_components[-1] > 10 * by_components[0]
    assert by_codes[-1] > 10 * by_codes[0]


def test_fpcad_keeps_the_components_that_explain_95_percent() -> None:
    train = normal(400, 3, seed=0) * [10.0, 10.0, 0.1]
    ignored, seen = np.array([0.0, 0.0, 5.0]), np.array([5.0, 0.0, 0.0])
    assert fpcad(train, train, train + ignored) < 0.01
    assert fpcad(train, train, train + seen) == pytest.approx(25, rel=0.01)


def test_frechet_distances_see_lost_dependence_that_moments_of_columns_do_not() -> None:
    first = normal(300, 1, seed=0)
    train = np.column_stack([first, first + 0.1 * normal(300, 1, seed=1)])
    shuffled = np.random.default_rng(0).permuted(train, axis=0)
    assert fpcad(train, train, shuffled) == pytest.approx((2**0.5 - 1) ** 2, rel=0.2)
    assert faed(train, train, shuffled, seed=0) > 0.1


def test_faed_is_a_function_of_its_seed_alone() -> None:
    train, made = normal(80, 5, seed=0), normal(80, 5, seed=1)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = faed(train, train, made, seed=3)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert faed(train, train, made, seed=3) == first
    assert faed(train, train, made, seed=4) != first
    assert np.isfinite(faed(train[:, :1], train[:, :1], made[:, :1], seed=0)), "one column"


# -- random-forest inception score --------------------------------------------------------------


def test_inception_score_by_hand() -> None:
    assert inception_score(np.eye(4)) == pytest.approx(4)
    assert inception_score(np.full((5, 3), 1 / 3)) == pytest.approx(1)
    assert inception_score(np.eye(4)[[1, 1]]) == pytest.approx(1), "one class only"
    sure = np.array([[0.9, 0.1], [0.1, 0.9]])
    expected = 2 * np.exp(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert inception_score(sure) == pytest.approx(expected)


def test_rfis_falls_with_noise_and_with_a_lost_class() -> None:
    train, fresh = rows(400, seed=0), rows(400, seed=1)
    embed = Embedding.fit(SCHEMA, train)

    def score(made: Floats) -> float:
        return random_forest_inception_score(embed, train, made, seed=0)

    good = score(fresh)
    assert 1.6 < good <= 2
    unsure, one_class = fresh.copy(), fresh[fresh[:, 0] > 0.5]
    unsure[:, 0] = 0.02 * fresh[:, 0]
    assert 1 <= score(unsure) < good - 0.2
    assert score(one_class) == pytest.approx(1, abs=0.05)
    other_targets = fresh.copy()
    other_targets[:, -1] = 0
    assert score(other_targets) == good, "the rows' own targets play no part"


def test_rfis_cuts_a_numerical_target_into_fifths() -> None:
    train, fresh = rows(400, seed=0), rows(400, seed=1)
    train[:, -1] = train[:, 0]
    embed = Embedding.fit(REGRESSION, train)
    assert 4 < random_forest_inception_score(embed, train, fresh, seed=0) <= 5
