from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import Schema, SplitSpec, TableSpec, load_splits

N = 60


def schema_of(target: list[Any], **settings: Any) -> Schema:
    values = [target[i % len(target)] for i in range(N)]
    frame = pd.DataFrame({"x": np.arange(N) / 7, "y": pd.Series(values, dtype=object)})
    return load_splits(TableSpec(frame, target="y", **settings), SplitSpec()).train.schema


@pytest.mark.parametrize(
    ("target", "settings", "task", "categories"),
    [
        (["no", "yes"], {}, "binary", ("no", "yes")),
        ([5, 7], {}, "binary", ("5", "7")),
        ([False, True], {}, "binary", ("False", "True")),
        (["b", "c", "a"], {}, "multiclass", ("a", "b", "c")),
        ([0, 1, 2], {}, "multiclass", ("0", "1", "2")),
        (["3", "1", "2"], {}, "multiclass", ("1", "2", "3")),
        (["1", "2", "none"], {}, "multiclass", ("1", "2", "none")),
        ([3, 4, 5], {}, "regression", ()),
        ([0.5, 1.5, 2], {}, "regression", ()),
        (list(range(20)), {}, "regression", ()),
        ([0, 1, 2], {"task": "regression"}, "regression", ()),
        ([0, 1], {"kinds": {"y": "numerical"}}, "regression", ()),
        ([3, 40, 5], {"task": "multiclass"}, "multiclass", ("3", "5", "40")),
        ([3, 40, 5], {"kinds": {"y": "categorical"}}, "multiclass", ("3", "5", "40")),
        (["1,0", "1,3", "2"], {"task": "multiclass"}, "multiclass", ("2", "1,0", "1,3")),
        (["1,0", "1,3"], {"kinds": {"y": "categorical"}}, "binary", ("1,0", "1,3")),
        (
            ["lo", "hi", "mid"],
            {"order": {"y": ["lo", "mid", "hi"]}},
            "multiclass",
            ("lo", "mid", "hi"),
        ),
    ],
)
def test_the_task_is_inferred_or_set(
    target: list[Any], settings: dict[str, Any], task: str, categories: tuple[str, ...]
) -> None:
    schema = schema_of(target, **settings)
    assert (schema.task, schema.target.categories) == (task, categories)
    assert schema.n_classes == len(categories)


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        (["a"], {}, "target 'y' is constant, it has only the value 'a'"),
        ([1.5], {}, "target 'y' is constant"),
        ([None], {}, "target 'y' is known in 0 of 60 rows"),
        (
            ["a", "b"],
            {"task": "regression"},
            r"regression needs numbers, but the target 'y' holds 2",
        ),
        ([*range(29), "bad"], {"task": "regression"}, "such as 'bad', first in row 29"),
        (["1,0", "1,3", "2"], {}, "target 'y' holds numbers with commas such as '1,[03]'"),
        (["1,0", "1,3"], {"task": "regression"}, "write them with a decimal point"),
        ([*range(29), "bad"], {}, "target 'y' mixes numbers with text such as 'bad'"),
        ([*range(29), np.inf], {}, r"'y' holds 2 infinite value\(s\), first in row\(s\) 29, 59"),
        ([1, 2, 3], {"task": "binary"}, "a binary target has 2 classes, 'y' has 3"),
        ([f"t{i}" for i in range(30)], {"max_categories": 10}, "'y' has 30 classes, more than"),
        (["2020-01-31", "2020-02-01"], {"kinds": {"y": "date"}}, "'y' cannot be a date"),
    ],
)
def test_unusable_targets_are_refused(
    target: list[Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        schema_of(target, **settings)


def test_a_class_with_one_row_is_named() -> None:
    with pytest.raises(TableError, match="class 'rare' of the target 'y' has 1 row in all"):
        schema_of(["a", "b"] * 29 + ["a", "rare"])


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"x": np.arange(N) / 7, "y": ["a", "b", None] * 20})
    with pytest.warns(UserWarning, match="20 of 60 rows have no target 'y' and are left out"):
        splits = load_splits(TableSpec(frame, target="y"), SplitSpec())
    rows = np.concatenate([splits.train.rows, splits.val.rows, splits.test.rows])
    assert sorted(rows) == [row for row in range(N) if row % 3 != 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"no target is set: name it in data.table.target, one of 'x', 'label'"),
        ({"target": "labl"}, "no column 'labl', named as target: did you mean 'label'"),
        ({"target": "zzz"}, "no column 'zzz', named as target: its columns are 'x', 'label'"),
        ({"target": "label", "drop": ["q"]}, "no column 'q', named as drop"),
        ({"target": "label", "kinds": {"q": "date"}}, "no column 'q', named as kinds"),
        ({"target": "label", "group_column": "q"}, "no column 'q', named as group_column"),
        ({"target": "label", "drop": ["x"]}, "has no feature column besides the target 'label'"),
    ],
)
def test_columns_that_the_table_lacks_are_named(settings: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({"x": np.arange(N), "label": ["a", "b"] * 30})
    with pytest.raises(TableError, match=message):
        load_splits(TableSpec(frame, **settings), SplitSpec())
