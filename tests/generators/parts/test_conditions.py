"""Conditions and interventions as a user writes them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.conditions import conditions, interventions
from lit_causalmix.tables import Schema, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.schema import Column, ColumnKind, TaskType

DATES = Column("when", ColumnKind.NUMERICAL, integer=True, date_format="%d/%m/%Y")
DATED = Schema(
    (Column("0", ColumnKind.NUMERICAL), DATES),
    Column("1", ColumnKind.NUMERICAL),
    TaskType.REGRESSION,
)
LOW, HIGH = np.full(3, -1e6), np.full(3, 1e6)


@pytest.fixture
def schema() -> Schema:
    """Categories by number and by truth value."""
    rows = pd.DataFrame(
        {
            "k": [20240101.0, 20240102.0, 0.25] * 10,
            "flag": [True, False] * 15,
            "y": ["a", "b"] * 15,
        }
    )
    spec = TableSpec(rows, target="y", kinds={"k": "categorical"})
    return load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0)).train.schema


@pytest.mark.parametrize(
    ("column", "value", "label"),
    [
        ("k", 20240101.0, "20240101"),
        ("k", 20240101, "20240101"),
        ("k", np.float64(20240102), "20240102"),
        ("k", "20240101.0", "20240101"),
        ("k", 0.25, "0.25"),
        ("flag", True, "True"),
        ("flag", "true", "True"),
        ("y", " b ", "b"),
    ],
)
def test_a_label_is_written_as_in_a_table(
    schema: Schema, column: str, value: Any, label: str
) -> None:
    j = [c.name for c in schema.columns].index(column)
    codes = np.arange(len(schema.columns[j].categories))
    rows = np.zeros((len(codes), len(schema.columns)))
    rows[:, j] = codes
    chosen = conditions({column: value}, schema)(rows)
    assert [schema.columns[j].categories[k] for k in np.flatnonzero(chosen)] == [label]
    ends = np.full(len(schema.columns), 9.0)
    held = interventions({column: value}, schema, (), -ends, ends)
    assert held == {j: schema.columns[j].categories.index(label)}


@pytest.mark.parametrize("value", [None, ["b"], float("nan"), 20240103.0])
def test_what_is_no_label_is_refused(schema: Schema, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"column 'k' has no label .*20240101"):
        conditions({"k": value}, schema)


@pytest.mark.parametrize("value", ["18", b"18", "1", "123", ("a", "b"), 18.0])
def test_a_text_is_no_range_of_numbers(value: Any) -> None:
    rows = pd.DataFrame({"age": np.arange(40.0), "y": ["a", "b"] * 20})
    schema = load_splits(TableSpec(rows, target="y"), SplitSpec()).train.schema
    with pytest.raises(ConfigurationError, match=r"'age' is \(lowest, highest\), got .*"):
        conditions({"age": value}, schema)
    chosen = conditions({"age": (1, 8)}, schema)(np.array([[1.0, 0.0], [18.0, 0.0]]))
    assert chosen.tolist() == [True, False]


def test_whole_numbers_name_the_columns_of_a_table_without_names() -> None:
    held: dict[Any, float | str] = {0: 2.5, 1: 3.0}
    assert interventions(held, DATED, (), LOW, HIGH) == {0: 2.5, 2: 3.0}
    wanted: dict[Any, tuple[float, float]] = {0: (2.0, 3.0)}
    rows = np.array([[2.5, 0.0, 0.0], [3.5, 0.0, 0.0]])
    assert conditions(wanted, DATED)(rows).tolist() == [True, False]
    with pytest.raises(ConfigurationError, match="no column '7': "):
        interventions({7: 1.0}, DATED, (), LOW, HIGH)  # type: ignore[dict-item]
    with pytest.raises(ConfigurationError, match=r"names the column 1\.5, read as float"):
        conditions({1.5: (0.0, 1.0)}, DATED)  # type: ignore[dict-item]


def test_what_a_column_of_dates_counts_is_said() -> None:
    assert interventions({"when": 18293}, DATED, (), LOW, HIGH) == {1: 18293.0}
    with pytest.raises(ConfigurationError, match="a whole number of days since 1970-01-01, as it"):
        interventions({"when": "01/02/2020"}, DATED, (), LOW, HIGH)
    with pytest.raises(ConfigurationError, match=r"\(lowest, highest\) of days since 1970-01-01"):
        conditions({"when": "01/02/2020"}, DATED)
