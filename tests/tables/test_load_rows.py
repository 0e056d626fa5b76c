from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_rows, load_splits


@pytest.fixture
def trained(mixed_frame: pd.DataFrame) -> tuple[pd.DataFrame, TableSpec, Table]:
    mixed_frame["note"] = np.arange(len(mixed_frame))
    mixed_frame.loc[3, "count"] = -999
    spec = TableSpec(mixed_frame, target="y", drop=["note"], missing_values=["-999"])
    return mixed_frame, spec, load_splits(spec, SplitSpec()).train


def test_rows_of_the_source_are_coded_alike(
    trained: tuple[pd.DataFrame, TableSpec, Table], write: Callable[..., str]
) -> None:
    frame, spec, train = trained
    everything = load_rows(frame, train, spec)
    np.testing.assert_array_equal(everything.values[train.rows], train.values)
    np.testing.assert_array_equal(everything.rows, np.arange(len(frame)))
    assert np.isnan(everything.values[3, 1])
    assert (everything.name, everything.domain, everything.schema) == (
        train.name,
        train.domain,
        train.schema,
    )
    path = write(frame.to_csv(index=False))
    np.testing.assert_array_equal(load_rows(path, train, spec).values, everything.values)


def test_columns_match_by_name_and_the_target_may_be_absent(
    trained: tuple[pd.DataFrame, TableSpec, Table],
) -> None:
    frame, spec, train = trained
    new = frame.drop(columns=["y", "note"]).iloc[::-1, ::-1]
    table = load_rows(new, train, spec)
    np.testing.assert_array_equal(table.features, load_rows(frame, train, spec).features[::-1])
    assert np.isnan(table.target).all()
    assert len(load_rows(new.head(1), train, spec)) == 1


def test_extra_columns_are_said_and_absent_ones_refused(
    trained: tuple[pd.DataFrame, TableSpec, Table],
) -> None:
    frame, spec, train = trained
    with pytest.warns(UserWarning, match="columns that training did not use: 'extra'"):
        load_rows(frame.assign(extra=1), train, spec)
    message = "2 of 5 feature columns are absent: 'number', 'grade'"
    with pytest.raises(TableError, match=message):
        load_rows(frame.drop(columns=["number", "grade"]), train, spec)
    with pytest.raises(TableError, match="the table to predict has no rows"):
        load_rows(frame.head(0), train, spec)


def test_cells_that_do_not_fit(trained: tuple[pd.DataFrame, TableSpec, Table]) -> None:
    frame, spec, train = trained
    text = frame.astype({"count": object})
    text.loc[5, "count"] = "many"
    with pytest.raises(TableError, match=r"'count' holds numbers, but row 5 .* holds 'many'"):
        load_rows(text, train, spec)
    frame.loc[[2, 9], "y"] = ["d", None]
    with pytest.warns(UserWarning, match=r"'y': 1 cell\(s\) hold categories unseen .*\('d'\)"):
        table = load_rows(frame, train, spec)
    assert np.flatnonzero(np.isnan(table.target)).tolist() == [2, 9]
    assert len(table) == len(frame)


def test_a_target_that_is_no_number_is_unknown() -> None:
    frame = pd.DataFrame({"x": range(20), "price": np.linspace(1, 2, 20)})
    spec = TableSpec(frame, target="price")
    train = load_splits(spec, SplitSpec()).train
    prices = pd.Series(["?", "tba", np.inf, 1e200, "1.5", None], dtype=object)
    table = load_rows(frame.head(6).assign(price=prices), train, spec)
    np.testing.assert_array_equal(table.target, [np.nan] * 4 + [1.5, np.nan])
