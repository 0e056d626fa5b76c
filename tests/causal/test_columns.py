import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lit_causalmix.causal.columns import Reason, impute, linear_dependencies, prepare_columns
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

NUMBER, CATEGORY = ColumnKind.NUMERICAL, ColumnKind.CATEGORICAL


def table(columns: dict[str, NDArray[np.float64]], kinds: dict[str, ColumnKind] = {}) -> Table:  # noqa: B006
    """The last column is the target of a regression."""
    values = np.column_stack(list(columns.values())).astype(float)
    built = []
    for j, name in enumerate(columns):
        kind = kinds.get(name, NUMBER)
        codes = values[~np.isnan(values[:, j]), j]
        labels = tuple(map(str, range(int(codes.max()) + 1))) if kind is not NUMBER else ()
        built.append(Column(name, kind, labels))
    schema = Schema(tuple(built[:-1]), built[-1], TaskType.REGRESSION)
    return Table("t", "test", schema, values, np.arange(len(values)))


RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(3, 100))


def test_an_ordinary_table_keeps_all_columns() -> None:
    prepared = prepare_columns(table({"a": A, "b": B, "y": C}))
    assert prepared.nodes == (0, 1, 2)
    assert prepared.set_aside == ()
    assert not prepared.missing.any()


def test_imputation_by_mean_rounded_mean_and_mode() -> None:
    nan = np.nan
    assert impute(np.array([1.0, nan, 2.0]), Column("a", NUMBER)).tolist() == [1, 1.5, 2]
    whole = Column("a", NUMBER, integer=True)
    assert impute(np.array([1.0, nan, 4.0, 4.0]), whole).tolist() == [1, 3, 4, 4]
    codes = Column("a", CATEGORY, ("x", "y", "z"))
    assert impute(np.array([2.0, nan, 0.0, 2.0]), codes).tolist() == [2, 2, 0, 2]
    assert impute(np.array([nan, nan]), codes).tolist() == [0, 0]


def test_sum_is_expressed_by_its_terms(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepared = prepare_columns(table({"a": A, "b": B, "s": 3 * A - 2 * B + 5, "y": C}))
    (found,) = prepared.set_aside
    assert (found.column, found.reason) == (2, Reason.COLLINEAR)
    assert dict(zip(found.sources, found.weights, strict=True)) == pytest.approx({0: 3, 1: -2})
    assert found.offset == pytest.approx(5)
    assert "collinear" in caplog.text
    assert "'s'" in caplog.text


def test_target_is_never_set_aside() -> None:
    prepared = prepare_columns(table({"a": A, "b": B, "copy": A + B, "y": A + B}))
    assert 3 in prepared.nodes
    assert {s.column for s in prepared.set_aside} <= {0, 1, 2}
    rebuilt = prepared.values.copy()
    for s in prepared.set_aside:
        rebuilt[:, s.column] = np.nan
        rebuilt[:, s.column] = s.compute(rebuilt)
    np.testing.assert_allclose(rebuilt, prepared.values, atol=1e-9)


def test_full_one_hot_set_loses_one_column() -> None:
    codes = RNG.integers(3, size=100)
    hot = {f"is{k}": (codes == k).astype(float) for k in range(3)}
    kinds = dict.fromkeys(hot, ColumnKind.BOOLEAN)
    prepared = prepare_columns(table({**hot, "y": C}, kinds))
    assert [s.reason for s in prepared.set_aside] == [Reason.COLLINEAR]


def test_renamed_categories_are_a_duplicate_and_merged_ones_are_not() -> None:
    codes = RNG.integers(3, size=100).astype(float)
    renamed, merged = np.array([2.0, 0.0, 1.0])[codes.astype(int)], np.minimum(codes, 1)
    columns = {"a": codes, "b": renamed, "c": merged, "y": C}
    prepared = prepare_columns(table(columns, dict.fromkeys("abc", CATEGORY)))
    (found,) = prepared.set_aside
    assert (found.column, found.reason) == (1, Reason.DUPLICATE)
    assert (found.compute(prepared.values) == renamed).all()


def test_equal_values_with_other_gaps_are_no_duplicates() -> None:
    gaps = A.copy()
    gaps[:10] = np.nan
    assert prepare_columns(table({"a": A, "b": gaps, "y": C})).set_aside == ()


def test_constant_with_gaps_is_constant() -> None:
    constant = np.where(np.arange(100) < 30, np.nan, 7.5)
    (found,) = prepare_columns(table({"a": constant, "y": C})).set_aside
    assert (found.reason, found.offset) == (Reason.CONSTANT, 7.5)


def test_more_columns_than_rows_is_no_collinearity() -> None:
    assert linear_dependencies(np.random.default_rng(0).normal(size=(20, 40))) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_planted_relation_is_found_at_any_scale(
    seed: int, terms: int, offset: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(60, 6)) * scale
    weights = rng.uniform(0.5, 2, size=terms) * rng.choice([-1, 1], size=terms)
    planted = base[:, :terms] @ weights + offset * scale
    (found,) = linear_dependencies(np.column_stack([base, planted]))
    assert found.column == 6
    assert found.sources == tuple(range(terms))
    np.testing.assert_allclose(found.weights, weights, rtol=1e-5)


def test_extreme_values_do_not_overflow() -> None:
    values = np.column_stack([A * 1e300, B * 1e-300, A * 2e300])
    assert [(f.column, f.sources) for f in linear_dependencies(values)] == [(2, (0,))]


def test_a_code_that_columns_share_makes_no_relation_and_breaks_one() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 200))
    y = a - b + 0.3 * generator.normal(size=200)
    exact = 2 * a + y - 1
    for code in (99999.0, 1e12):
        values = np.column_stack([a, b, y, exact])
        values[:6, :2] = code
        assert linear_dependencies(values) == []
        values[:6, 3] = 2 * values[:6, 0] + values[:6, 2] - 1
        (found,) = linear_dependencies(values)
        assert (found.column, found.sources) == (3, (0, 2))
        assert found.weights == pytest.approx((2, 1), rel=1e-9)
    values = np.column_stack([a, y, np.where(np.arange(200) < 3, 99999.0, 1.0)])
    assert linear_dependencies(values) == []


@pytest.mark.parametrize("share", [0.8, 0.9])
@pytest.mark.parametrize("code", [9999.0, 99999.0, 999999.0])
def test_a_code_that_mostly_equal_columns_share_makes_no_relation(
    share: float, code: float
) -> None:
    for seed in range(10):
        generator = np.random.default_rng(seed)
        a, b = np.where(
            generator.random((2, 200)) < share, 0.0, generator.uniform(1, 10, (2, 200)).round(2)
        )
        y = generator.normal(size=200)
        coded = generator.random(200) < 0.06
        a[coded] = b[coded] = code
        assert linear_dependencies(np.column_stack([y, a, b])) == []
        (found,) = linear_dependencies(np.column_stack([y, a, b, 2 * a - b + 3]))
        assert (found.column, found.sources) == (3, (1, 2))
        assert found.weights == pytest.approx((2, -1), rel=1e-6)


def test_a_duplicate_of_a_category_that_no_row_holds_is_missing() -> None:
    codes = np.array([0.0, 1, 3] * 10)
    labels = tuple("abcde")
    columns = [Column(name, CATEGORY, labels) for name in ("k", "twin")]
    values = np.column_stack([codes, np.array([2.0, 0, 9, 1])[codes.astype(int)], C[:30]])
    schema = Schema(tuple(columns), Column("y", NUMBER), TaskType.REGRESSION)
    (found,) = prepare_columns(Table("t", "test", schema, values, np.arange(30))).set_aside
    assert (found.column, found.reason) == (1, Reason.DUPLICATE)
    held = np.column_stack([np.arange(5.0), np.zeros((5, 2))])
    np.testing.assert_array_equal(found.compute(held), [2, 0, np.nan, 1, np.nan])
