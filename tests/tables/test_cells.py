from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_causalmix.errors import TableError
from lit_causalmix.tables.cells import USUAL_MISSING, canonical_label, read_cells


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (" 1.00 ", "1"),
        ("+1e0", "1"),
        (np.float32(1), "1"),
        (Decimal("1.0"), "1"),
        (-0.0, "0"),
        ("-0", "0"),
        ("0.50", "0.5"),
        ("007", "007"),
        (2**60 + 1, "1152921504606846977"),
        ("1152921504606846977", "1152921504606846977"),
        (True, "True"),
        (np.True_, "True"),
        ("TRUE", "True"),
        ("false", "False"),
        ("Infinity", "inf"),
        ("9" * 400, "9" * 400),
        (10**400, "1" + "0" * 400),
        ("  a b ", "a b"),
        (datetime(2020, 1, 31), "2020-01-31"),
        (datetime(2020, 1, 31, 12), "2020-01-31T12:00:00"),
        (date(2020, 1, 31), "2020-01-31"),
    ],
)
def test_one_value_has_one_label(value: object, label: str) -> None:
    assert canonical_label(value) == label


@given(st.one_of(st.text(), st.floats(allow_nan=False), st.integers(), st.booleans()))
def test_labels_are_their_own_labels(value: object) -> None:
    label = canonical_label(value)
    assert canonical_label(label) == label


def test_equal_values_of_different_types_share_a_code() -> None:
    mixed = pd.Series([1, 1.0, "1", True, None, np.nan, pd.NA, "x", pd.NaT, 2], dtype=object)
    cells = read_cells(pd.DataFrame({"a": mixed}))["a"]
    assert cells.codes.tolist() == [0, 0, 0, 1, -1, -1, -1, 2, -1, 3]
    assert cells.labels.tolist() == ["1", "True", "x", "2"]
    np.testing.assert_array_equal(cells.numbers, [1, np.nan, np.nan, 2])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["3", "1", "", "3"]),
        pd.Series([3, 1, None, 3], dtype=object),
        pd.Series([3.0, 1.0, np.nan, 3.0]),
        pd.Series([3, 1, pd.NA, 3], dtype="Int64"),
        pd.Series(["3", "1", None, "3"], dtype="category"),
        pd.Series([3, 1, None, 3], dtype="category"),
        pd.Series(["3", "1", None, "3"], dtype="string"),
    ],
)
def test_the_data_type_of_a_column_does_not_matter(column: "pd.Series[object]") -> None:
    cells = read_cells(pd.DataFrame({"a": column}))["a"]
    assert [None if code < 0 else cells.labels[code] for code in cells.codes] == [
        "3",
        "1",
        None,
        "3",
    ]
    assert sorted(cells.numbers) == [1.0, 3.0]


def test_missing_values_are_the_usual_ones_and_those_named() -> None:
    frame = pd.DataFrame({"a": [*USUAL_MISSING, " ", "?", "-999", "-999.0", "None", "none", "5"]})
    cells = read_cells(frame, ["?", "-999"])["a"]
    assert cells.labels.tolist() == ["None", "none", "5"]
    assert cells.missing.sum() == len(USUAL_MISSING) + 4
    numeric = read_cells(pd.DataFrame({"a": [-999, 5, 6.5]}), ["-999"])["a"]
    assert numeric.codes.tolist() == [-1, 0, 1]


def test_ordered_categoricals_keep_their_levels() -> None:
    column = pd.Categorical(["b", "a"], categories=["b", "a", "c"], ordered=True)
    assert read_cells(pd.DataFrame({"a": column}))["a"].levels == ("b", "a", "c")
    assert read_cells(pd.DataFrame({"a": column.as_unordered()}))["a"].levels == ()


@pytest.mark.parametrize("kind", ["float32", "float16", "Float32"])
def test_fractions_of_single_precision_are_called_as_those_of_double(kind: str) -> None:
    series = pd.Series([0.1, 2.5, 3.0, 0.1], dtype=kind)
    if kind == "float16":  # pandas has no index of them, and so no categories
        scalars = pd.Series([np.float16(value) for value in series], dtype=object)
        more = [scalars]
    else:
        more = [series.astype("category")]
    for column in (series, *more):
        cells = read_cells(column.to_frame("k"))["k"]
        assert cells.labels.tolist() == ["0.1", "2.5", "3"]
        assert cells.numbers.tolist() == [float(series[0]), 2.5, 3.0]


def test_levels_of_single_precision_are_called_as_their_cells() -> None:
    series = pd.Series([2.5, 0.1], dtype="float32")
    ordered = series.astype(pd.CategoricalDtype(np.float32([0.1, 2.5]), ordered=True))
    cells = read_cells(ordered.to_frame("k"))["k"]
    assert (cells.labels.tolist(), cells.levels) == (["2.5", "0.1"], ("0.1", "2.5"))


def test_dates_beyond_those_of_python_are_refused_with_their_column() -> None:
    far = np.array(["12000-01-01", "2000-01-01"], dtype="datetime64[s]")
    with pytest.raises(TableError, match=r"column 'when' holds values that are neither"):
        read_cells(pd.DataFrame({"when": pd.Series(far)}))
