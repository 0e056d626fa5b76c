import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import Column, ColumnKind, SplitSpec, TableSpec, TableSplits, load_splits

N = 40
Y = ["a", "b"] * (N // 2)


def load(column: list[Any], **settings: Any) -> TableSplits:
    """A table of one column in question and one that varies; all rows but the last four train."""
    frame = pd.DataFrame(
        {
            "c": pd.Series(column, dtype=object),
            "x": np.arange(len(column)) / 7,
            "y": Y[: len(column)],
        }
    )
    frame["part"] = ["train"] * (len(column) - 4) + ["val", "val", "test", "test"]
    return load_splits(TableSpec(frame, target="y", split_column="part", **settings), SplitSpec())


def column_of(column: list[Any], **settings: Any) -> Column:
    return load(column, **settings).train.schema.features[0]


def cycle(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("cells", "kind", "categories", "integer"),
    [
        (cycle("1", "2.5", ""), "numerical", (), False),
        (cycle("1", "2", "3e1"), "numerical", (), True),
        (cycle(1, 2, 3), "numerical", (), True),
        (cycle("7", "7"), "numerical", (), True),
        (cycle("1", "0"), "boolean", ("0", "1"), False),
        (cycle("1.0", "0.0"), "boolean", ("0", "1"), False),
        (cycle(True, False), "boolean", ("False", "True"), False),
        (cycle("Yes", "No"), "boolean", ("No", "Yes"), False),
        (cycle("1", "2"), "numerical", (), True),
        (cycle("red", "green", None), "categorical", ("green", "red"), False),
        (cycle(">4", "4", "10", "2"), "categorical", ("2", "4", "10", ">4"), False),
    ],
)
@pytest.mark.filterwarnings("ignore:taken as categorical")
def test_kinds_are_inferred(
    cells: list[Any], kind: str, categories: tuple[str, ...], integer: bool
) -> None:
    assert column_of(cells) == Column("c", ColumnKind(kind), categories, integer)


def test_kinds_and_orders_overrule() -> None:
    grades = cycle("low", "high", "mid")
    assert column_of(cycle("3", "1", "20"), kinds={"c": "categorical"}).categories == (
        "1",
        "3",
        "20",
    )
    assert column_of(cycle("3", "1", "20"), kinds={"c": "ordinal"}).kind == "ordinal"
    ordered = column_of(grades, order={"c": ["low", "mid", "high", "highest"]})
    assert (ordered.kind, ordered.categories) == ("ordinal", ("low", "mid", "high"))
    assert column_of(cycle("1", "0"), kinds={"c": "numerical"}).is_numerical
    assert column_of(cycle("up", "down"), kinds={"c": "boolean"}).categories == ("down", "up")
    number = load(cycle("1", "?", "2", "4"), kinds={"c": "numerical"}, missing_values=["?"])
    assert np.isnan(number.train.values[1, 0])


def test_a_mix_of_few_numbers_and_text_is_said() -> None:
    with pytest.warns(UserWarning, match="taken as categorical, they mix few numbers .*: 'c'"):
        load(cycle("1", "2", "never"))


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        (
            [*map(str, range(30)), *["?", "unclear"] * 5],
            {},
            r"'c' mixes 30 different numbers with text such as '\?', 'unclear': add the text to "
            r"data.table.missing_values .* \{c: categorical\}",
        ),
        (cycle("1,5", "2,25", "3"), {}, "'c' holds numbers with commas such as '1,5'"),
        (cycle("2020-01-31", "2020-02-01"), {}, r"'c' holds dates, .*\{c: date\} .*1970.*drop"),
        (cycle("31.01.2020 10:30"), {}, "'c' holds dates, for example '31.01.2020 10:30'"),
        (cycle("31/01/2020", "01/02/2020"), {}, "'c' holds dates"),
        (cycle(pd.Timestamp("2020-01-31")), {}, "'c' holds dates, for example '2020-01-31'"),
        (cycle("03/04/2020"), {"kinds": {"c": "date"}}, "fits %d/%m/%Y and %m/%d/%Y: name the"),
        (cycle("red"), {"kinds": {"c": "date"}}, "for example 'red', has no common format"),
        (
            cycle("1", "2", "inf"),
            {},
            r"'c' holds 13 infinite value\(s\), first in row\(s\) 2, 5, 8, 11, 14 \(counted",
        ),
        (cycle(1.0, -np.inf), {}, r"'c' holds 20 infinite value\(s\), first in row\(s\) 1, 3"),
        (cycle("1", "b"), {"kinds": {"c": "numerical"}}, "holds numbers, but row 1 .* holds 'b'"),
        (cycle("a", "b", "c"), {"kinds": {"c": "boolean"}}, "set to boolean but has 3 values"),
        (cycle("a", "b"), {"kinds": {"c": "ordinal"}}, "levels are text: give them, lowest first"),
        (cycle("a", "b", "z"), {"order": {"c": ["a", "b"]}}, r"holds 'z', absent from its order"),
        (cycle(*"abcde"), {"max_categories": 4}, r"'c' has 5 categories .*max_categories \(4\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:taken as categorical")
def test_unusable_columns_are_refused(
    cells: list[Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(TableError, match=message) as caught:
        load(cells, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "kind", "first"),
    [
        (cycle("1970-01-02", "2020-01-31"), "date", 1.0),
        (cycle("1970-01-02T12:00", "2020-01-31"), "date", 1.5),
        (cycle("1970-01-02T12:00+12:00", "2020-01-31T00:00Z"), "date", 1.0),
        (cycle("02.01.1970", "31.01.2020"), "date", 1.0),
        (cycle("01/31/1970", "01/02/1970"), "date", 30.0),
        (cycle("02/01/1970", "01/02/1970"), "date:%d/%m/%Y", 1.0),
        (cycle(pd.Timestamp("1970-01-02 06:00"), None), "date", 1.25),
        (cycle("1970-02", "2020-01"), "date:%Y-%m", 31.0),
        (cycle("1971", 2020), "date:%Y", 365.0),
        (cycle("02/1970", "1/2020"), "date:%m/%Y", 31.0),
        (cycle("020170", "010120"), "date:%d%m%y", 1.0),
        (cycle("18:00", "06:30"), "date:%H:%M", -25566.25),
        (cycle("1970.02", "1970.11"), "date:%Y.%m", 31.0),
        (
            cycle("Thursday, 01 January 1970 12:00:00.000000", "Friday, 02 January 1970 0:0:0.0"),
            "date:%A, %d %B %Y %H:%M:%S.%f",
            0.5,
        ),
    ],
)
def test_dates_become_days(cells: list[Any], kind: str, first: float) -> None:
    train = load(cells, kinds={"c": kind}).train
    assert train.values[0, 0] == first
    assert train.schema.features[0].is_numerical
    assert train.schema.features[0].date_format


@pytest.mark.parametrize(
    ("cell", "kind"), [("1970.10", "date:%Y.%m"), (1011970, "date:%d%m%Y"), (930, "date:%H%M")]
)
def test_dates_that_lost_a_zero_as_numbers_are_not_read_as_others(cell: Any, kind: str) -> None:
    with pytest.raises(TableError, match=r"'c' holds dates \(.*\), but row 0 "):
        load(cycle(cell), kinds={"c": kind})


def test_short_dates_are_not_recognised_without_their_format() -> None:
    assert column_of(cycle("1970-02", "2020-01")).kind is ColumnKind.CATEGORICAL
    assert not column_of(cycle("1971", "2020")).date_format


def test_columns_without_a_training_cell_are_set_aside() -> None:
    cells = [None] * (N - 1) + ["5"]
    with pytest.warns(UserWarning, match="left out, no cell in the training rows: 'c'"):
        splits = load(cells)
    assert [column.name for column in splits.train.schema.features] == ["x"]


def test_a_table_of_constant_columns_is_refused() -> None:
    frame = pd.DataFrame({"a": "k", "b": [1.0, None] * 20, "c": None, "y": Y})
    with pytest.raises(TableError, match="none of the 3 feature columns varies in the table"):
        load_splits(TableSpec(frame, target="y"), SplitSpec())


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("text", r"'c' holds numbers, but row 39 \(counted from 0\) holds 'text'"),
        ("inf", r"'c' holds 1 infinite value\(s\), first in row\(s\) 39"),
    ],
)
def test_a_test_cell_that_does_not_fit_is_named(cell: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        load([*map(str, range(N - 1)), cell])


def test_categories_unseen_in_training_are_missing_and_counted() -> None:
    cells = ["a", "b"] * (N // 2 - 2) + ["new", "a", "new", "other"]
    match = (
        r"'c': 3 cell\(s\) hold categories unseen in training \('new', 'other'\).*first in row 36"
    )
    with pytest.warns(UserWarning, match=match):
        splits = load(cells)
    np.testing.assert_array_equal(splits.val.values[:, 0], [np.nan, 0])
    np.testing.assert_array_equal(splits.test.values[:, 0], [np.nan, np.nan])


def test_a_million_categories_are_refused_quickly() -> None:
    n = 10**6
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(n)], "y": np.arange(n) % 2})
    started = time.process_time()
    with pytest.raises(TableError, match="'id' has 600000 categories in the training rows"):
        load_splits(TableSpec(frame, target="y"), SplitSpec())
    assert time.process_time() - started < 15
