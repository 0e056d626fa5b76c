"""The learner behind three measures leaves out what it cannot learn from."""

import numpy as np
import pytest

from lit_causalmix.metrics.quality import two_sample_auc
from lit_causalmix.metrics.quality.boosting import BoostedTrees
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

A, B = Column("a", ColumnKind.NUMERICAL), Column("b", ColumnKind.NUMERICAL)
C = Column("c", ColumnKind.CATEGORICAL, ("x", "y"))
TARGET = Column("t", ColumnKind.CATEGORICAL, ("p", "q"))


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return np.column_stack([a, rng.normal(size=n), rng.integers(0, 2, n), a > 0]).astype(float)


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_column_without_a_known_cell_changes_nothing(empty: int) -> None:
    train, test = rows(200, 0), rows(100, 1)
    others = [j for j in range(3) if j != empty]
    without = BoostedTrees(tuple((A, B, C)[j] for j in others), classify=True, seed=0)
    without.fit(train[:, others], train[:, -1])
    train[:, empty] = np.nan
    trees = BoostedTrees((A, B, C), classify=True, seed=0).fit(train[:, :3], train[:, -1])
    np.testing.assert_array_equal(trees.classes, without.classes)
    np.testing.assert_array_equal(
        trees.probabilities(test[:, :3]), without.probabilities(test[:, others])
    )
    np.testing.assert_array_equal(trees.predict(test[:, :3]), without.predict(test[:, others]))


def test_a_two_sample_test_takes_a_column_that_is_missing_throughout() -> None:
    real, made = rows(120, 0), rows(120, 1)
    made[:, 0] += 1
    narrow = two_sample_auc(
        Schema((A, C), TARGET, TaskType.BINARY),
        *(np.delete(part, 1, axis=1) for part in (real, made)),
        seed=0,
    )
    real[:, 1] = made[:, 1] = np.nan
    assert two_sample_auc(Schema((A, B, C), TARGET, TaskType.BINARY), real, made, seed=0) == narrow
    assert narrow > 0.7


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="a column with a known cell"):
        BoostedTrees((A, B), classify=False, seed=0).fit(np.full((9, 2), np.nan), np.arange(9.0))
