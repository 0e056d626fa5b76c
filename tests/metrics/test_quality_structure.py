"""Global utility on tables whose structure is known."""

import math

import numpy as np
import pytest

from lit_causalmix.metrics.quality import chosen_columns, quality_numbers, skills
from lit_causalmix.metrics.quality.structure import MOST_COLUMNS
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SCHEMA = Schema(
    (
        Column("a", ColumnKind.NUMERICAL),
        Column("b", ColumnKind.NUMERICAL),
        Column("c", ColumnKind.CATEGORICAL, ("low", "high")),
        Column("alone", ColumnKind.NUMERICAL),
        Column("constant", ColumnKind.NUMERICAL),
    ),
    Column("y", ColumnKind.CATEGORICAL, ("no", "yes", "perhaps")),
    TaskType.MULTICLASS,
)


def rows(n: int, seed: int) -> np.ndarray:
    """b follows a, c the sign of a, y the sign of another number that no column shows."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    columns = [a, a + 0.1 * rng.normal(size=n), (a > 0).astype(float), rng.normal(size=n)]
    return np.column_stack([*columns, np.full(n, 4.0), rng.integers(3, size=n)])


def table(n: int, seed: int) -> Table:
    return Table("t", "d", SCHEMA, rows(n, seed), np.arange(n))


def test_skills_of_real_rows_are_those_of_the_structure() -> None:
    columns = chosen_columns(SCHEMA, rows(300, 0), seed=0)
    assert columns == [5, 0, 1, 2, 3]  # the target first, without the constant
    measured = skills(SCHEMA, rows(400, 0), rows(300, 1), columns, seed=0)
    found = dict(zip(columns, measured.tolist(), strict=True))
    assert min(found[0], found[1], found[2]) > 0.9
    assert max(found[3], found[5]) < 0.15
    again = skills(SCHEMA, rows(400, 0), rows(300, 1), columns, seed=0)
    assert list(found.values()) == again.tolist()


def test_numbers_beyond_float32_teach_as_small_ones_do() -> None:
    units = np.array([1e60, 1e-60, 1, 1, 1, 1])
    plain = skills(SCHEMA, rows(400, 0), rows(300, 1), [0, 1, 2], seed=0)
    large = skills(SCHEMA, rows(400, 0) * units, rows(300, 1) * units, [0, 1, 2], seed=0)
    np.testing.assert_allclose(large, plain, atol=0.02)


def test_shuffled_columns_keep_no_structure_and_fresh_rows_all_of_it() -> None:
    train, held_out, fresh = table(400, 0), table(300, 1), rows(400, 2)
    measured = {"seed": 0, "measures": ["global_utility"]}
    kept = quality_numbers(train, held_out, fresh, **measured)  # type: ignore[arg-type]
    assert kept["global_utility"] == pytest.approx(1.0, abs=0.1)
    assert kept["global_tstr"] / kept["global_trtr"] == kept["global_utility"]
    shuffled = np.random.default_rng(0).permuted(fresh, axis=0)
    lost = quality_numbers(train, held_out, shuffled, **measured)  # type: ignore[arg-type]
    assert lost["global_utility"] < 0.15
    assert lost["global_trtr"] == kept["global_trtr"]


def test_structure_among_features_counts_where_the_target_shows_none_of_it() -> None:
    train, held_out, fresh = table(400, 0), table(300, 1), rows(400, 2)
    fresh[:, 1] = np.random.default_rng(5).permutation(fresh[:, 1])
    found = quality_numbers(train, held_out, fresh, seed=0, measures=["utility", "global_utility"])
    assert found["tstr"] == pytest.approx(found["trtr"], abs=0.08)  # the target says nothing
    assert found["global_utility"] < 0.85


def test_columns_that_cannot_be_predicted_or_taught_are_told_apart() -> None:
    train, test = rows(100, 0), rows(100, 1)
    train[:, 2], test[:, 3] = 1.0, 7.0
    found = skills(SCHEMA, train, test, [2, 3], seed=0)
    assert found[0] == 0.0  # one category alone teaches nothing
    assert math.isnan(found[1])  # nothing is to be told
    gaps = rows(100, 0)
    gaps[:, 0] = np.nan
    assert skills(SCHEMA, gaps, test, [0, 1], seed=0)[0] == 0.0


def test_of_many_columns_some_take_their_turn_the_target_always() -> None:
    features = tuple(Column(f"x{j}", ColumnKind.NUMERICAL) for j in range(60))
    schema = Schema(features, Column("y", ColumnKind.NUMERICAL), TaskType.REGRESSION)
    real = np.random.default_rng(0).normal(size=(30, 61))
    chosen = chosen_columns(schema, real, seed=0)
    assert len(set(chosen)) == MOST_COLUMNS
    assert chosen[0] == 60
    assert chosen != chosen_columns(schema, real, seed=1)


def test_where_nothing_is_predictable_there_is_no_share_to_keep() -> None:
    features = (Column("x", ColumnKind.NUMERICAL),)
    schema = Schema(features, Column("y", ColumnKind.NUMERICAL), TaskType.REGRESSION)
    parts = [
        Table("t", "d", schema, np.random.default_rng(k).normal(size=(200, 2)), np.arange(200))
        for k in range(3)
    ]
    found = quality_numbers(
        parts[0], parts[1], parts[2].values, seed=0, measures=["global_utility"]
    )
    assert math.isnan(found["global_utility"])
    assert found["global_trtr"] < 0.05
