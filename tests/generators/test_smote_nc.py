"""SMOTE-NC on rows whose neighbours are known."""

import sys

import numpy as np
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators import SMOTENCGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

pytest.importorskip("imblearn")


def table(cells: dict[str, np.ndarray], target: np.ndarray, *, classes: int = 2) -> Table:
    """Lower-case columns are numbers, the others categories."""
    features = tuple(
        Column(name, ColumnKind.NUMERICAL)
        if name.islower()
        else Column(name, ColumnKind.CATEGORICAL, tuple("abcdef"))
        for name in cells
    )
    if classes:
        task = TaskType.MULTICLASS if classes > 2 else TaskType.BINARY
        last = Column("target", ColumnKind.CATEGORICAL, tuple(map(str, range(classes))))
    else:
        last, task = Column("target", ColumnKind.NUMERICAL), TaskType.REGRESSION
    values = np.column_stack([*cells.values(), target]).astype(float)
    return Table("t", "test", Schema(features, last, task), values, np.arange(len(values)))


def sample(train: Table, n: int = 500, **settings: int) -> np.ndarray:
    generator = SMOTENCGenerator(**settings)
    generator.fit(train, seed=0, progress=False)
    return generator.sample(n, np.random.default_rng(0))


def test_rows_lie_between_rows_of_their_class_and_take_the_category_of_the_most() -> None:
    """Two classes on two parallel lines, each with a category of its own."""
    x = np.tile(np.linspace(0, 1, 40), 2)
    target = np.repeat([0, 1], 40)
    rows = sample(table({"x": x, "y": x + 5 * target, "C": target * 3}, target))
    assert np.abs(rows[:, 1] - rows[:, 0] - 5 * rows[:, -1]).max() < 1e-9
    assert (rows[:, 2] == 3 * rows[:, -1]).all()
    assert len(np.unique(rows[:, 0])) > 400  # new points, no copies
    gap = np.diff(np.linspace(0, 1, 40))[0]
    nearest = np.abs(rows[:, :1] - x[None, :40]).min(axis=1)
    assert nearest.max() <= gap / 2 + 1e-9


def test_columns_of_one_kind_alone_are_taken() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(2, size=60)
    numbers = sample(table({"x": rng.normal(size=60), "y": rng.normal(size=60)}, target))
    assert not np.isnan(numbers).any()
    labels = sample(table({"A": rng.integers(4, size=60), "B": 1 + target}, target))
    assert set(labels[:, 0]) <= {0.0, 1.0, 2.0, 3.0}
    assert (labels[:, 1] == 1 + labels[:, -1]).mean() > 0.95


def test_classes_keep_their_shares_and_rare_ones_take_fewer_neighbours() -> None:
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], [70, 27, 3])
    target[-1] = 3  # one row alone
    x = rng.normal(size=100) + 10 * target
    rows = sample(table({"x": x, "A": target}, target, classes=4), n=4000)
    shares = np.bincount(rows[:, -1].astype(int), minlength=4) / len(rows)
    np.testing.assert_allclose(shares, np.bincount(target) / 100, atol=0.03)
    alone, pair = rows[rows[:, -1] == 3], rows[rows[:, -1] == 2]
    np.testing.assert_allclose(alone[:, 0], x[-1])
    assert ((pair[:, 0] >= x[97:99].min()) & (pair[:, 0] <= x[97:99].max())).all()


def test_a_regression_target_is_interpolated_with_its_features() -> None:
    x = np.random.default_rng(0).uniform(size=200)
    rows = sample(table({"x": x, "A": (x > 0.5).astype(float)}, 3 * x - 1, classes=0))
    assert np.abs(rows[:, -1] - (3 * rows[:, 0] - 1)).max() < 1e-9
    assert len(np.unique(rows[:, -1])) > 400
    assert ((rows[:, 1] == 1) == (rows[:, 0] > 0.5)).mean() > 0.95


def test_gaps_are_those_of_the_class() -> None:
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1], 100)
    x = rng.normal(size=200)
    x[:50] = np.nan  # half of the first class, none of the second
    rows = sample(table({"x": x, "A": rng.integers(3, size=200)}, target), n=4000)
    gaps = [np.isnan(rows[rows[:, -1] == c, 0]).mean() for c in (0, 1)]
    assert gaps[0] == pytest.approx(0.5, abs=0.05)
    assert gaps[1] == 0


def test_settings_and_a_missing_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="n_neighbours must be at least 1, got 0"):
        SMOTENCGenerator(n_neighbours=0)
    with pytest.raises(ConfigurationError, match="n_bins must be at least 2, got 1"):
        SMOTENCGenerator(n_bins=1)
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'lit-causalmix\[smote\]'"):
        sample(table({"x": np.arange(9.0)}, np.arange(9) % 2))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_regression_target_with_a_ceiling_or_a_floor(sign: int) -> None:
    rng = np.random.default_rng(0)
    target = sign * np.where(np.arange(120) < 11, rng.uniform(1, 4, 120), 5.0)
    rows = sample(table({"x": rng.normal(size=120), "z": rng.normal(size=120)}, target, classes=0))
    assert (rows[:, -1] == sign * 5).mean() == pytest.approx(109 / 120, abs=0.05)
    assert (np.abs(rows[:, -1]) >= np.abs(target).min()).all()
