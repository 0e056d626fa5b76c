import numpy as np
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators import TableAugmentGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

N, WIDTH = 50, 10


@pytest.fixture(scope="module")
def numbered() -> Table:
    """Cell j of row i is 100·i + j, and its target i: every cell tells its row."""
    number = ColumnKind.NUMERICAL
    features = tuple(Column(f"x{j}", number) for j in range(WIDTH))
    schema = Schema(features, Column("y", number), TaskType.REGRESSION)
    cells = 100.0 * np.arange(N)[:, None] + np.arange(WIDTH)
    return Table("numbered", "test", schema, np.column_stack([cells, np.arange(N)]), np.arange(N))


def fitted(table: Table, **settings: float) -> TableAugmentGenerator:
    generator = TableAugmentGenerator(**settings)  # type: ignore[arg-type]
    generator.fit(table, seed=0, progress=False)
    return generator


def test_cells_keep_their_row_and_its_target(numbered: Table) -> None:
    rows = fitted(numbered).sample(1000, np.random.default_rng(0))
    origin = numbered.values[rows[:, -1].astype(int)]
    shown = ~np.isnan(rows)
    assert (rows[shown] == origin[shown]).all()
    assert not shown.all()
    assert len(np.unique(rows[:, -1])) == N  # drawn with replacement, from all rows


def test_rows_of_one_subset_miss_the_same_features(numbered: Table) -> None:
    rows = fitted(numbered, rows_per_subset=40).sample(100, np.random.default_rng(0))
    patterns = [np.isnan(rows[start : start + 40]) for start in (0, 40, 80)]
    assert all((pattern == pattern[0]).all() for pattern in patterns)
    assert (patterns[0][0] != patterns[1][0]).any()


def test_subsets_hold_half_to_all_of_the_features_and_each_feature_alike(numbered: Table) -> None:
    rows = fitted(numbered, rows_per_subset=1).sample(5000, np.random.default_rng(0))
    shown = ~np.isnan(rows[:, :-1])
    # Of ten features a share of U(.5, 1), rounded down, is 5, 6, 7, 8 or 9, equally often.
    counts = np.bincount(shown.sum(axis=1), minlength=WIDTH + 1)
    assert counts[:5].sum() + counts[10] == 0
    assert counts[5:10] / 5000 == pytest.approx(np.full(5, 0.2), abs=0.025)
    assert shown.mean(axis=0) == pytest.approx(np.full(WIDTH, 0.7), abs=0.025)


def test_one_feature_is_left_at_least(numbered: Table) -> None:
    generator = fitted(numbered, min_fraction=0.0, max_fraction=0.0, rows_per_subset=1)
    rows = generator.sample(200, np.random.default_rng(0))
    assert ((~np.isnan(rows[:, :-1])).sum(axis=1) == 1).all()


def test_all_features_make_a_bootstrap(numbered: Table) -> None:
    rows = fitted(numbered, min_fraction=1.0).sample(200, np.random.default_rng(0))
    assert not np.isnan(rows).any()


def test_features_that_say_nothing_count_in_no_subset(mixed: Table) -> None:
    names = [c.name for c in mixed.schema.columns]
    generator = fitted(mixed, min_fraction=0.0, max_fraction=0.0, rows_per_subset=1)
    rows = generator.sample(300, np.random.default_rng(0))
    assert (rows[:, names.index("planet")] == 0).all()
    others = [j for j, name in enumerate(names[:-1]) if name not in ("planet", "nothing")]
    known = (~np.isnan(rows[:, others])).sum(axis=1)
    assert (known <= 1).all()  # 0 where the one that is shown has a gap in that row
    assert known.mean() > 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_fraction": -0.1},
        {"min_fraction": 0.8, "max_fraction": 0.7},
        {"max_fraction": 1.5},
        {"rows_per_subset": 0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        TableAugmentGenerator(**wrong)  # type: ignore[arg-type]
