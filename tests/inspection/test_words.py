"""What the page says of the measures, on rows whose truth is known."""

import numpy as np

from lit_causalmix.inspection.words import on_records
from lit_causalmix.metrics.quality import ClosestRecords, closest_records
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

SCHEMA = Schema(
    (Column("a", ColumnKind.NUMERICAL),),
    Column("b", ColumnKind.NUMERICAL),
    TaskType.REGRESSION,
)


def records(copied: int, *, digits: int = 9) -> ClosestRecords:
    """Of 500 synthetic rows so many are training rows; a quarter as many rows are held out."""
    train, held_out, made = (
        np.random.default_rng(seed).normal(size=(n, 2)).round(digits)
        for seed, n in enumerate((800, 200, 500))
    )
    made[:copied] = train[:copied]
    return closest_records(SCHEMA, train, held_out, made, rng=np.random.default_rng(0))


def test_copies_are_told_of_all_training_rows() -> None:
    assert on_records(records(500)).startswith("100% of the synthetic rows equal a training row")
    assert on_records(records(30)).startswith("6% of the synthetic rows equal a training row")


def test_rows_that_are_equal_by_chance_are_no_copies() -> None:
    found = records(0, digits=0)
    assert found.all_copies > 0.9
    assert "memorising" in on_records(found)
    assert "memorising" in on_records(records(0))
