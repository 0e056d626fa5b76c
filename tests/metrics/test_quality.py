"""Known answers for the measures of synthetic rows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.metrics.quality import (
    QualityReport,
    assess,
    associations,
    closest_distances,
    closest_records,
    column_shapes,
    contingency_similarity,
    correlation_similarity,
    ks_complement,
    pair_trends,
    train_on_one_test_on_other,
    tv_complement,
    two_sample_auc,
)
from lit_causalmix.metrics.quality.records import spans_of
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

NUMERICAL, CATEGORICAL = ColumnKind.NUMERICAL, ColumnKind.CATEGORICAL
A, B = Column("a", NUMERICAL), Column("b", NUMERICAL)
COLOUR = Column("c", CATEGORICAL, ("w", "x", "y", "z"))
SCHEMA = Schema((A, B, COLOUR), Column("d", CATEGORICAL, ("n", "y")), TaskType.BINARY)
REGRESSION = Schema((A, COLOUR), Column("t", NUMERICAL), TaskType.REGRESSION)

Floats = NDArray[np.float64]

FAR = np.array([9.0, 0.0, 0.0, 0.0])
"""Moves the first column out of its support."""


def drawn(n: int, *, seed: int) -> Floats:
    """Four columns that all depend on the first, or on one another."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = a + 0.3 * rng.normal(size=n)
    c = np.digitize(b, [-0.5, 0.0, 0.7]).astype(float)
    d = (a + 0.3 * rng.normal(size=n) > 0).astype(float)
    return np.column_stack([a, b, c, d])


def shuffled(rows: Floats, *, seed: int = 0) -> Floats:
    """The same columns without any dependence between them."""
    return np.random.default_rng(seed).permuted(rows, axis=0)


def table(values: Floats) -> Table:
    return Table("t", "", SCHEMA, values, np.arange(len(values)))


def test_ks_complement_by_hand() -> None:
    real, made = np.array([1.0, 2, 3, 4, np.nan]), np.array([3.0, 4, 5, 6])
    assert ks_complement(real, made) == 0.5
    assert ks_complement(real, np.array([5.0, 6])) == 0
    assert ks_complement(real, real) == 1
    assert ks_complement(np.array([2.0, 2, 2]), np.array([2.0])) == 1
    assert math.isnan(ks_complement(real, np.array([np.nan])))


def test_tv_complement_by_hand() -> None:
    real, made = np.array([0.0, 0, 1, 1, np.nan]), np.array([0.0, 1, 2, 2])
    assert tv_complement(real, made) == 0.5
    assert tv_complement(real, np.array([3.0])) == 0
    assert tv_complement(real, real) == 1
    assert math.isnan(tv_complement(np.array([np.nan]), made))


def test_shapes_do_not_see_that_columns_were_shuffled_and_trends_do() -> None:
    real = drawn(600, seed=0)
    broken = shuffled(real)
    assert np.array_equal(column_shapes(SCHEMA, real, broken), np.ones(4))
    assert pair_trends(SCHEMA, real, real).score == pytest.approx(1)
    trends = pair_trends(SCHEMA, real, broken)
    assert np.nanmax(trends.similarity) < 0.75
    assert np.triu(trends.real, 1)[np.triu_indices(4, 1)].min() > 0.5
    assert trends.synthetic[np.triu_indices(4, 1)].max() < 0.2


def test_correlation_similarity_by_hand() -> None:
    x = np.arange(5.0)
    up, down = np.column_stack([x, 2 * x + 1]), np.column_stack([x, -x])
    assert correlation_similarity(up, down) == pytest.approx(0)
    assert correlation_similarity(up, up) == pytest.approx(1)
    gap = up.copy()
    gap[0, 1] = np.nan
    assert correlation_similarity(gap, up) == pytest.approx(1)
    assert math.isnan(correlation_similarity(up, np.ones((3, 2))))
    huge = up * 1e200
    assert correlation_similarity(huge, huge) == pytest.approx(1)


def test_contingency_similarity_by_hand() -> None:
    same, crossed = np.array([[0, 0], [1, 1]]), np.array([[0, 1], [1, 0]])
    assert contingency_similarity(same, crossed) == 0
    assert contingency_similarity(same, np.concatenate([same, crossed])) == 0.5


def test_cramers_v_is_1_for_a_renamed_column_and_0_for_an_independent_one() -> None:
    code = np.tile([0.0, 1, 2, 3], 50)
    other = np.repeat([0.0, 1], 100)
    rows = np.column_stack([np.full(200, 7.0), np.full(200, np.nan), code, code >= 2])
    found = associations(SCHEMA, rows)
    assert found[2, 3] == pytest.approx(1, abs=0.01)
    rows[:, 3] = other
    assert associations(SCHEMA, rows)[2, 3] == 0
    assert np.isnan(found[:2]).all(), "constant columns have no trends"
    assert np.isnan(pair_trends(SCHEMA, rows, rows).similarity[:2]).all()


def test_values_of_sdmetrics() -> None:
    """KSComplement, TVComplement, CorrelationSimilarity, ContingencySimilarity, calculate_dcr.

    The numbers were printed by sdmetrics 0.32.0 on these rows.
    """

    def rows(seed: int, n: int) -> Floats:
        rng = np.random.default_rng(seed)
        a = rng.normal(0, 1 + seed * 0.3, n)
        b = a + rng.normal(0, 1, n)
        c = rng.integers(0, 3 + seed, n).astype(float)
        d = (a > 0.3 * seed).astype(float)
        c[::7], b[::11] = np.nan, np.nan
        return np.column_stack([a, b, c, d])

    real, made = rows(0, 40), rows(1, 50)
    shapes = [0.885, 0.7333333333333334, 0.6050420410281753, 0.885]
    # sdmetrics rounds the frequencies of a column with missing cells, hence 1e-6 there.
    assert column_shapes(SCHEMA, real, made) == pytest.approx(shapes, abs=1e-6)
    found = pair_trends(SCHEMA, real, made).similarity
    pairs = {(0, 1): 0.9032370617406205, (0, 2): 0.445, (1, 2): 0.405, (0, 3): 0.67, (2, 3): 0.585}
    assert {pair: found[pair] for pair in pairs} == pytest.approx(pairs)
    distances = closest_distances(SCHEMA, made, real, spans_of(real))
    assert distances[:5] == pytest.approx(
        [0.02118191, 0.05463909, 0.28265799, 0.29338707, 0.06380983], abs=1e-8
    )


def test_two_sample_auc_without_a_known_cell_in_a_column() -> None:
    real = drawn(200, seed=0)
    real[:, 0], other = np.nan, drawn(200, seed=1)
    other[:, 0] = np.nan
    assert abs(two_sample_auc(SCHEMA, real, other, seed=0) - 0.5) < 0.15


def test_two_sample_auc() -> None:
    real = drawn(400, seed=0)
    assert abs(two_sample_auc(SCHEMA, real, drawn(400, seed=1), seed=0) - 0.5) < 0.08
    assert two_sample_auc(SCHEMA, real, shuffled(real), seed=0) > 0.85
    assert two_sample_auc(SCHEMA, real, real + FAR, seed=0) == 1
    assert two_sample_auc(SCHEMA, real, real, seed=0) == pytest.approx(0.5, abs=0.02)
    assert math.isnan(two_sample_auc(SCHEMA, real, real[:1], seed=0))
    assert math.isnan(two_sample_auc(SCHEMA, real[:1].repeat(9, 0), real[:1].repeat(9, 0), seed=0))
    few = two_sample_auc(SCHEMA, real[:4], real[4:8] + FAR, seed=0)
    assert 0 <= few <= 1


def test_distances_by_hand() -> None:
    spans = np.array([10.0, 0.0, 0.0, 0.0])
    base = np.array([[5.0, 1.0, 2.0, 0.0]])

    def distance(*row: float) -> float:
        return float(closest_distances(SCHEMA, np.array([row]), base, spans)[0])

    assert distance(5, 1, 2, 0) == 0
    assert distance(7, 1, 2, 0) == pytest.approx(0.2 / 4)
    assert distance(99, 1, 2, 0) == 1 / 4, "capped at the span"
    assert distance(5, 1.5, 2, 0) == 1 / 4, "a constant column is equal or not"
    assert distance(5, 1, 3, 1) == 2 / 4
    assert distance(np.nan, 1, 2, 0) == 1 / 4
    base[0, 0] = np.nan
    assert distance(np.nan, 1, 2, 0) == 0


def test_closest_records_tell_copies_from_fresh_rows() -> None:
    train, held_out, rng = drawn(200, seed=0), drawn(150, seed=1), np.random.default_rng(0)
    train[:, :2], held_out[:, :2] = train[:, :2].round(3), held_out[:, :2].round(3)
    fresh = closest_records(SCHEMA, train, held_out, drawn(300, seed=2), rng=rng)
    assert fresh.copies == 0
    assert abs(fresh.closer_to_train - 0.5) < 0.1
    copied = closest_records(SCHEMA, train[:150], held_out, train[:150], rng=rng)
    assert copied.copies == 1
    assert copied.closer_to_train > 0.98
    assert copied.held_out_copies == 0
    tied = closest_records(SCHEMA, train, train, drawn(50, seed=3), rng=rng)
    assert tied.closer_to_train == 0.5, "equal parts: every row ties"


def test_copies_of_any_training_row_are_counted_however_few_are_held_out() -> None:
    train, held_out = drawn(400, seed=0), drawn(100, seed=1)
    train[:, :2], held_out[:, :2] = train[:, :2].round(3), held_out[:, :2].round(3)
    made = np.concatenate([train[:300], drawn(100, seed=2)])
    found = closest_records(SCHEMA, train, held_out, made, rng=np.random.default_rng(0))
    assert found.all_copies == 0.75
    assert found.copies < 0.3, "only as many training rows as held-out ones are compared"
    assert found.copies_by_chance == 0
    few = closest_records(
        SCHEMA, train[:50], held_out, made, rng=np.random.default_rng(0), seen_rows=train
    )
    assert few.all_copies == 0.75
    # Rows of few different cells equal others by chance, and more of them where there are more.
    codes = [np.floor(drawn(n, seed=n)) for n in (1000, 200, 600)]
    chance = closest_records(SCHEMA, *codes, rng=np.random.default_rng(0))
    assert chance.all_copies > 0.1
    assert abs(chance.copies_by_chance - chance.all_copies) < 0.15


def test_repeated_rows_do_not_pass_for_memorising() -> None:
    """A part with fewer different rows would be further from everything."""
    train, held_out = drawn(100, seed=0), drawn(40, seed=1)
    made, repeated = drawn(600, seed=2), np.repeat(held_out, 5, axis=0)
    found = closest_records(SCHEMA, train, repeated, made, rng=np.random.default_rng(0))
    assert len(found.held_out_to_train) == 40
    assert abs(found.closer_to_train - 0.5) < 0.1
    twice = np.repeat(drawn(60, seed=3), 6, axis=0)
    assert abs(two_sample_auc(SCHEMA, twice, drawn(360, seed=4), seed=0) - 0.5) < 0.2


def test_distances_do_not_depend_on_the_size_of_the_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, reference = drawn(50, seed=0), drawn(40, seed=1)
    spans = spans_of(reference)
    whole = closest_distances(SCHEMA, rows, reference, spans)
    monkeypatch.setattr("lit_causalmix.metrics.quality.records._CELLS", 120)
    assert np.array_equal(whole, closest_distances(SCHEMA, rows, reference, spans))


def test_train_on_one_test_on_other() -> None:
    train, test = drawn(400, seed=0), drawn(300, seed=1)
    assert train_on_one_test_on_other(SCHEMA, train, test, seed=0).value > 0.9
    useless = train_on_one_test_on_other(SCHEMA, shuffled(train), test, seed=0).value
    assert useless < 0.8
    one_class = train.copy()
    one_class[:, -1] = 1
    undefined = train_on_one_test_on_other(SCHEMA, one_class, test, seed=0)
    assert not undefined.defined
    assert "one value" in undefined.note
    columns = [0, 2, 1]
    assert train_on_one_test_on_other(
        REGRESSION, train[:, columns], test[:, columns], seed=0
    ).value == pytest.approx(0.91, abs=0.06)


def test_features_that_are_missing_throughout_are_left_out_of_training() -> None:
    train, test = drawn(400, seed=0), drawn(300, seed=1)
    for j in range(train.shape[1] - 1):
        partial = train.copy()
        partial[:, j] = np.nan
        others = tuple(c for k, c in enumerate(SCHEMA.features) if k != j)
        narrow = (np.delete(rows, j, axis=1) for rows in (train, test))
        without = replace(SCHEMA, features=others)
        expected = train_on_one_test_on_other(without, *narrow, seed=0)
        assert train_on_one_test_on_other(SCHEMA, partial, test, seed=0) == expected
    empty = train.copy()
    empty[:, :-1] = np.nan
    undefined = train_on_one_test_on_other(SCHEMA, empty, test, seed=0)
    assert "all features are missing" in undefined.note


@pytest.fixture(scope="module")
def report() -> QualityReport:
    return assess(table(drawn(500, seed=0)), table(drawn(450, seed=1)), drawn(500, seed=2), seed=0)


def test_rows_from_the_true_distribution_score_as_training_rows_do(report: QualityReport) -> None:
    assert report.synthetic.shape_score == pytest.approx(report.training.shape_score, abs=0.06)
    assert report.synthetic.trends.score == pytest.approx(report.training.trends.score, abs=0.06)
    assert report.synthetic.auc == pytest.approx(0.5, abs=0.08)
    assert report.training.auc == pytest.approx(0.5, abs=0.08)
    assert report.synthetic.utility.value == pytest.approx(report.training.utility.value, abs=0.1)
    assert (report.n_train, report.n_held_out, report.n_synthetic) == (500, 450, 500)


def test_the_same_seed_gives_the_same_report(report: QualityReport) -> None:
    again = assess(table(drawn(500, seed=0)), table(drawn(450, seed=1)), drawn(500, seed=2), seed=0)
    assert again.synthetic.auc == report.synthetic.auc
    assert again.records.closer_to_train == report.records.closer_to_train
    assert again.synthetic.utility == report.synthetic.utility


def test_too_few_rows_are_refused_by_name() -> None:
    rows = drawn(20, seed=0)
    with pytest.raises(TableError, match=r"got 1 held-out row"):
        assess(table(rows), table(rows[:1]), rows, seed=0)
