from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_causalmix.errors import TableError
from lit_causalmix.tables import (
    Column,
    ColumnKind,
    Schema,
    SplitSpec,
    TableSpec,
    TaskType,
    decode,
    encode,
    load_splits,
)
from lit_causalmix.tables.cells import USUAL_MISSING, canonical_label
from lit_causalmix.tables.scaling import LARGEST

LABELS = st.one_of(
    st.text(max_size=8), st.integers().map(str), st.floats(allow_nan=False).map(str)
).map(canonical_label)
FIRST, LAST = -719_162, 2_932_896  # days from 0001-01-01 to 9999-12-31


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    kind = draw(st.sampled_from(ColumnKind))
    if kind is ColumnKind.NUMERICAL:
        date_format = draw(st.sampled_from(["", "iso", "%d/%m/%Y"]))
        return Column(name, kind, integer=draw(st.booleans()), date_format=date_format)
    most = 2 if kind is ColumnKind.BOOLEAN else 6
    labels = st.lists(
        LABELS.filter(lambda label: label not in USUAL_MISSING),
        min_size=2,
        max_size=most,
        unique=True,
    )
    return Column(name, kind, tuple(draw(labels)))


def cells(column: Column) -> st.SearchStrategy[float]:
    whole = st.integers(-(2**53) + 1, 2**53 - 1).map(float)
    if column.date_format:
        seconds = st.integers(FIRST * 86_400, LAST * 86_400).map(lambda second: second / 86_400)
        known = st.integers(FIRST, LAST).map(float) if column.integer else seconds
    elif column.is_numerical:
        finite = st.floats(-LARGEST, LARGEST).map(lambda value: value + 0.0)
        known = whole if column.integer else finite
    else:
        known = st.integers(0, len(column.categories) - 1).map(float)
    return st.one_of(known, st.just(float("nan")))


@st.composite
def coded(draw: st.DrawFn) -> tuple[Schema, np.ndarray[Any, np.dtype[np.float64]]]:
    features = tuple(draw(columns(f"c{i}")) for i in range(draw(st.integers(1, 4))))
    target = draw(columns("y").filter(lambda column: not column.date_format))
    task = TaskType.REGRESSION if target.is_numerical else TaskType.MULTICLASS
    schema = Schema(features, target, task)
    rows = draw(st.integers(1, 6))
    values = [[draw(cells(column)) for column in schema.columns] for _ in range(rows)]
    return schema, np.array(values, dtype=np.float64)


@given(coded())
@settings(max_examples=150, deadline=None)
def test_encode_inverts_decode(example: tuple[Schema, Any]) -> None:
    schema, values = example
    np.testing.assert_array_equal(encode(schema, decode(schema, values)), values)


def test_decode_gives_the_original_kinds(mixed_frame: pd.DataFrame) -> None:
    mixed_frame["day"] = pd.date_range("2020-01-01", periods=len(mixed_frame))
    spec = TableSpec(mixed_frame, target="y", kinds={"day": "date"})
    train = load_splits(spec, SplitSpec()).train
    frame = decode(train.schema, train.values)
    expected = mixed_frame.iloc[train.rows].reset_index(drop=True)
    for name in expected:
        missing = expected[name].isna()
        assert frame[name][~missing].tolist() == expected[name][~missing].tolist()
        assert frame[name][missing].isna().all()
    assert frame["number"].dtype == "float64"
    assert frame["count"].dtype == "Int64"
    assert frame["day"].dtype == "datetime64[us]"
    assert frame["colour"].dtype == object


def test_schemas_survive_json(mixed_frame: pd.DataFrame) -> None:
    mixed_frame["day"] = "2020-01-31"
    spec = TableSpec(mixed_frame, target="y", kinds={"day": "date"})
    schema = load_splits(spec, SplitSpec()).train.schema
    assert Schema.from_dict(schema.to_dict()) == schema


def test_codes_outside_the_schema_are_refused() -> None:
    schema = Schema(
        (Column("c", ColumnKind.CATEGORICAL, ("u", "v")),),
        Column("y", ColumnKind.NUMERICAL),
        TaskType.REGRESSION,
    )
    for code in (2.0, -1.0, 0.5):
        with pytest.raises(TableError, match="'c' has 2 categories, so its codes are 0 to 1"):
            decode(schema, np.array([[code, 1.0]]))
    with pytest.raises(TableError, match=r"has 2 columns, got shape \(1, 3\)"):
        decode(schema, np.zeros((1, 3)))
    with pytest.raises(TableError, match="1 of 1 feature columns are absent: 'c'"):
        encode(schema, pd.DataFrame({"y": [1.0]}))


def test_numbers_outside_every_range_still_decode() -> None:
    schema = Schema(
        (Column("day", ColumnKind.NUMERICAL, integer=True, date_format="iso"),),
        Column("y", ColumnKind.NUMERICAL, integer=True),
        TaskType.REGRESSION,
    )
    frame = decode(schema, np.array([[1e12, 1e30], [-1e12, 2.0]]))
    assert [moment.year for moment in frame["day"]] == [9999, 1]
    assert frame["y"].tolist() == [1e30, 2.0]
