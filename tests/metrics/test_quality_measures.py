"""The measures by name, and the verdict over them."""

import math

import numpy as np
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.metrics.quality import (
    MEASURES,
    assess,
    faults,
    lost_classes,
    quality_numbers,
)
from lit_causalmix.metrics.quality.verdict import COLLAPSED, EXPECTED_ROWS, POOR_SHAPES, TOLD_APART
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

A = Column("a", ColumnKind.NUMERICAL)
C = Column("c", ColumnKind.CATEGORICAL, ("x", "y"))
TARGET = Column("t", ColumnKind.CATEGORICAL, ("p", "q", "r"))
SCHEMAS = {
    "classification": Schema((A, C), TARGET, TaskType.MULTICLASS),
    "regression": Schema((A, C), A, TaskType.REGRESSION),
}
NEED_HELD_OUT = {"closer_to_train", "copies", "held_out_copies", "tstr", "trtr"}
NEED_HELD_OUT |= {"global_tstr", "global_trtr", "global_utility"}


def table(task: str, n: int, *, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    target = number + 0.2 * rng.normal(size=n)
    if task == "classification":
        target = np.digitize(target, [-0.5, 0.5])
    gaps = np.where(rng.random(n) < 0.1, np.nan, number)
    values = np.column_stack([gaps, rng.integers(0, 2, n), target]).astype(float)
    return Table("t", "", SCHEMAS[task], values, np.arange(n))


@pytest.mark.parametrize("task", SCHEMAS)
def test_every_measure_for_classification_and_regression(task: str) -> None:
    train, held_out = table(task, 300, seed=0), table(task, 200, seed=1)
    fresh = table(task, 300, seed=2).values
    found = quality_numbers(train, held_out, fresh, seed=0)
    assert all(math.isfinite(value) for value in found.values())
    assert found["column_shapes"] > 0.85
    assert found["two_sample_auc"] == pytest.approx(0.5, abs=0.12)
    assert found["closer_to_train"] == pytest.approx(0.5, abs=0.15)
    assert found["tstr"] == pytest.approx(found["trtr"], abs=0.1)
    assert found["fpcad"] < 3 * found["fpcad_held_out"]
    assert found["faed"] < 3 * found["faed_held_out"]
    assert found["rfis"] == pytest.approx(found["rfis_held_out"], rel=0.15)
    assert faults(found, lost_classes(train.schema, train.values, fresh)) == []
    assert quality_numbers(train, held_out, fresh, seed=0) == found
    shuffled = np.random.default_rng(0).permuted(fresh, axis=0)
    broken = quality_numbers(train, held_out, shuffled, seed=0)
    for name in ("pair_trends", "tstr", "global_utility"):
        assert broken[name] < found[name] - 0.05, name
    for name in ("two_sample_auc", "fpcad", "faed"):
        assert broken[name] > found[name] + 0.05, name


@pytest.mark.parametrize("task", SCHEMAS)
def test_numbers_and_report_draw_on_one_measurement(task: str) -> None:
    train, held_out = table(task, 120, seed=0), table(task, 80, seed=1)
    fresh = table(task, 120, seed=2).values
    numbers = quality_numbers(train, held_out, fresh, seed=3)
    report = assess(train, held_out, fresh, seed=3)
    assert numbers["tstr"] == report.synthetic.utility.value
    assert numbers["trtr"] == report.training.utility.value
    assert numbers["closer_to_train"] == report.records.closer_to_train
    swapped = assess(held_out, train, fresh, seed=3)  # the numbers compare with training rows
    assert numbers["column_shapes"] == swapped.synthetic.shape_score
    assert numbers["pair_trends"] == swapped.synthetic.trends.score
    assert numbers["two_sample_auc"] == swapped.synthetic.auc
    assert (report.n_train, report.n_held_out, report.n_synthetic) == (120, 80, 120)


def test_without_held_out_rows_what_needs_them_is_left_out() -> None:
    train = table("classification", 60, seed=0)
    fresh = table("classification", 60, seed=1).values
    found = quality_numbers(train, train.take(np.arange(0)), fresh, seed=0)
    assert not NEED_HELD_OUT & set(found)
    assert not [name for name in found if name.endswith("held_out")]
    assert {"column_shapes", "coverage", "fpcad", "faed", "rfis"} <= set(found)


def test_a_handful_of_rows_is_enough_for_every_measure() -> None:
    train, held_out = table("classification", 4, seed=0), table("classification", 1, seed=1)
    found = quality_numbers(train, held_out, train.values[:2], seed=0)
    assert {"column_shapes", "fpcad", "rfis"} <= set(found)


def test_only_what_is_asked_for_is_measured_and_the_unknown_refused() -> None:
    train = table("regression", 30, seed=0)
    found = quality_numbers(train, train, train.values, seed=0, measures=["fpcad"])
    assert set(found) == {"fpcad", "fpcad_held_out"}
    with pytest.raises(ConfigurationError, match=r"no quality measure 'is': choose from shapes,"):
        quality_numbers(train, train, train.values, seed=0, measures=["is", "fpcad"])
    with pytest.raises(TableError, match=r"got 30 and 1"):
        quality_numbers(train, train, train.values[:1], seed=0)
    assert set(MEASURES) >= {"fpcad", "faed", "rfis", "precision_recall"}


def test_a_class_is_lost_only_where_it_was_to_be_expected() -> None:
    train = np.zeros((100, 3))
    train[:60, -1], train[60:62, -1] = 1, 2
    schema, made = SCHEMAS["classification"], np.zeros((100, 3))
    assert lost_classes(schema, train, made) == ("q",), "two rows in a hundred may fail to appear"
    expected_ten = int(EXPECTED_ROWS / 0.6) + 1
    assert lost_classes(schema, train, made[:expected_ten]) == ("q",)
    assert lost_classes(schema, train, made[: expected_ten - 2]) == ()
    assert lost_classes(SCHEMAS["regression"], train, made) == ()


def test_verdict_at_its_thresholds() -> None:
    poor = {"two_sample_auc": TOLD_APART, "column_shapes": POOR_SHAPES - 0.01}
    assert "do not look real" in faults(poor)[0]
    assert faults(poor | {"column_shapes": POOR_SHAPES}) == []
    assert faults(poor | {"two_sample_auc": TOLD_APART - 0.01}) == []
    assert faults({"coverage": COLLAPSED}) == []
    assert "cover 2.9% of the training rows" in faults({"coverage": COLLAPSED - 0.001})[0]
    assert len(faults(poor | {"coverage": 0.0}, ("q", "r"))) == 3
    assert faults({"two_sample_auc": math.nan, "column_shapes": math.nan}) == []
