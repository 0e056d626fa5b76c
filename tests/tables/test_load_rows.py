import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import (
    Column,
    ColumnKind,
    Schema,
    SplitSpec,
    Table,
    TableSpec,
    TaskType,
    encode,
    load_rows,
    load_splits,
)


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


@pytest.mark.parametrize("fitted", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "widened", "text"])
def test_a_category_is_known_in_every_precision(fitted: str, given: str) -> None:
    values = pd.Series([0.1, 0.2, 7.0] * 10)
    frame = pd.DataFrame({"k": values.astype(fitted), "y": [1, 2, 3] * 10})
    spec = TableSpec(frame, target="y", kinds={"k": "categorical"}, task="multiclass")
    train = load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0)).train
    asked = values.astype("float32").astype("float64") if given == "widened" else values
    kind = {"widened": "float64", "text": "str"}.get(given, given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = load_rows(pd.DataFrame({"k": asked.astype(kind)}), train, spec)
    assert table.values[:3, 0].tolist() == [0, 1, 2]
    odd = pd.DataFrame({"k": ["007", "0.10000001", "1e300", "0.3"]})
    with pytest.warns(UserWarning, match=r"4 cell\(s\) hold categories unseen"):
        assert np.isnan(load_rows(odd, train, spec).values[:, 0]).all()


def test_models_that_were_kept_before_know_their_categories_of_single_precision() -> None:
    widened = float(np.float32(0.1))
    column = Column("k", ColumnKind.CATEGORICAL, (repr(widened), "7"))
    schema = Schema((column,), Column("y", ColumnKind.NUMERICAL), TaskType.REGRESSION)
    for values in (pd.Series([0.1, 7], dtype="float32"), pd.Series([widened, 7])):
        assert encode(schema, values.to_frame("k"))[:, 0].tolist() == [0, 1]
