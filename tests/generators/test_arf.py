"""Adversarial random forests on distributions that are known."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators import ARFGenerator
from lit_causalmix.generators.parts.leaves import Leaves
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table


def table(n: int = 800) -> Table:
    """x in two clumps, y follows x, colour tells the clump, z is missing in one of them."""
    rng = np.random.default_rng(0)
    clump = rng.integers(2, size=n)
    x = 10 * clump + rng.normal(size=n)
    y = x + 0.5 * rng.normal(size=n)
    z = np.where((clump == 1) & (rng.random(n) < 0.6), np.nan, rng.normal(size=n))
    colour = np.where(rng.random(n) < 0.9, clump, 2)
    features = (
        Column("x", ColumnKind.NUMERICAL),
        Column("z", ColumnKind.NUMERICAL),
        Column("colour", ColumnKind.CATEGORICAL, ("red", "green", "blue")),
    )
    schema = Schema(features, Column("y", ColumnKind.NUMERICAL), TaskType.REGRESSION)
    return Table("clumps", "test", schema, np.column_stack([x, z, colour, y]), np.arange(n))


@pytest.fixture(scope="module")
def forest() -> ARFGenerator:
    generator = ARFGenerator()
    generator.fit(table(), seed=0, progress=False)
    return generator


def test_dependence_gaps_and_marginals_are_those_of_the_table(forest: ARFGenerator) -> None:
    real, rows = table().values, forest.sample(8000, np.random.default_rng(1))
    assert np.corrcoef(rows[:, 0], rows[:, 3])[0, 1] > 0.95
    np.testing.assert_allclose(rows[:, [0, 3]].mean(axis=0), real[:, [0, 3]].mean(axis=0), atol=0.4)
    np.testing.assert_allclose(rows[:, [0, 3]].std(axis=0), real[:, [0, 3]].std(axis=0), rtol=0.05)
    inside = [rows[(rows[:, 0] > 5) == side] for side in (False, True)]
    assert ((rows[:, 0] > 3.5) & (rows[:, 0] < 6.5)).mean() < 0.05  # between the clumps
    for part, own in zip(inside, (0, 1), strict=True):
        assert (part[:, 2] == own).mean() == pytest.approx(0.9, abs=0.05)
        assert np.isnan(part[:, 1]).mean() == pytest.approx(0.6 * own, abs=0.08)


def test_each_round_is_harder_to_tell_from_real_rows(forest: ARFGenerator) -> None:
    accuracies = forest.learned.accuracies
    assert accuracies[0] > 0.9  # independent columns are told at once
    assert list(accuracies) == sorted(accuracies, reverse=True)
    assert accuracies[-1] < 0.6


def test_one_round_or_a_high_tolerance_stops_at_the_first_forest() -> None:
    for settings in ({"max_rounds": 1}, {"tolerance": 0.5}):
        generator = ARFGenerator(**settings)  # type: ignore[arg-type]
        generator.fit(table(200), seed=0, progress=False)
        assert len(generator.learned.accuracies) == 1


def test_leaves_are_boxes_with_the_moments_of_their_rows() -> None:
    """One split at 4.5 of ten numbers, the category independent of it."""
    x = np.arange(10.0)
    values = np.column_stack([x, np.tile([0.0, 1.0], 5), x > 4])
    forest = RandomForestClassifier(1, max_features=None, bootstrap=False, random_state=0)
    forest.fit(values[:, :2], x > 4)
    schema = Schema(
        (Column("x", ColumnKind.NUMERICAL),),
        Column("c", ColumnKind.CATEGORICAL, ("a", "b")),
        TaskType.BINARY,
    )
    support = Support.of(Table("t", "d", schema, values[:, :2], np.arange(10)))
    leaves = Leaves.of(forest, values[:, :2], np.array([True, False]), support)
    order = np.argsort(leaves.mean[:, 0])
    assert leaves.weight.tolist() == [0.5, 0.5]
    assert leaves.mean[order, 0].tolist() == [2.0, 7.0]
    np.testing.assert_allclose(leaves.deviation[:, 0], np.std(np.arange(5), ddof=1))
    assert leaves.low[order, 0].tolist() == [0.0, 4.5]
    assert leaves.high[order, 0].tolist() == [4.5, 9.0]
    rows = leaves.draw(4000, np.random.default_rng(0))
    assert rows[:, 0].min() >= 0
    assert rows[:, 0].max() <= 9
    assert (rows[:, 0] < 4.5).mean() == pytest.approx(0.5, abs=0.03)
    assert rows[:, 1].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_trees": 0}, "n_trees must be at least 1, got 0"),
        ({"tolerance": 0.7}, r"tolerance must lie in \[0, 0.5\], got 0.7"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ARFGenerator(**settings)  # type: ignore[arg-type]
