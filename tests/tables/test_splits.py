from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec, TableSplits, load_splits
from lit_causalmix.tables.cells import read_cells
from lit_causalmix.tables.splits import (
    choose_rows,
    identical_rows,
    joined_blocks,
    limit_rows,
    target_strata,
)


def rows_of(splits: TableSplits) -> list[set[int]]:
    return [set(part.rows.tolist()) for part in (splits.train, splits.val, splits.test)]


pytestmark = pytest.mark.filterwarnings("ignore:the .* split has no row of class")


def load(frame: pd.DataFrame, split: SplitSpec | None = None, **table: Any) -> TableSplits:
    return load_splits(TableSpec(frame, target="y", **table), split or SplitSpec())


def numbers(n: int, target: Any, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"a": rng(seed, "a").normal(size=n), "y": target})


def test_splits_are_stratified_disjoint_ascending_and_repeatable() -> None:
    frame = numbers(1000, ["a"] * 600 + ["b"] * 360 + ["c"] * 40)
    splits = load(frame)
    assert load(frame).train.fingerprint() == splits.train.fingerprint()
    for part, expected in zip(
        (splits.train, splits.val, splits.test),
        ([360, 216, 24], [90, 54, 6], [150, 90, 10]),
        strict=True,
    ):
        assert np.bincount(part.target.astype(int)).tolist() == expected
        assert (np.diff(part.rows) > 0).all()
    assert sorted(set.union(*rows_of(splits))) == list(range(1000))
    assert rows_of(load(frame, SplitSpec(seed=1))) != rows_of(splits)


def test_regression_is_stratified_by_quantile() -> None:
    target = rng(3, "target").lognormal(size=2000)
    splits = load(numbers(2000, target))
    assert len(splits.test) == 500
    deciles = np.quantile(target, np.arange(1, 10) / 10)
    counts = np.bincount(np.searchsorted(deciles, splits.test.target), minlength=10)
    assert counts.tolist() == [50] * 10


def test_fractions_of_zero_give_empty_parts() -> None:
    for target in (["a", "b"] * 10, list(range(20))):
        split = SplitSpec(val_fraction=0, test_fraction=0, max_train_rows=15, max_val_rows=5)
        assert [len(part) for part in rows_of(load(numbers(20, target), split))] == [15, 0, 0]


def test_too_few_rows_for_a_wanted_part_are_refused() -> None:
    with pytest.raises(TableError, match="no row is left for the validation split: 4 rows in 4"):
        load(numbers(4, ["a", "b"] * 2))
    with pytest.raises(TableError, match=r"the test split: .* set it to 0 to do without one, or"):
        load(numbers(60, ["a", "b"] * 30), SplitSpec(test_fraction=0.01))


def test_the_fraction_that_is_named_for_an_empty_validation_split_gives_rows() -> None:
    frame = numbers(60, ["a", "b"] * 30)
    with pytest.raises(TableError, match=r"0.01, .*; raise val_fraction, which") as said:
        load(frame, SplitSpec(val_fraction=0.01, test_fraction=0))
    named = float(str(said.value).split("has a row from ")[1].split(" ")[0])
    assert len(load(frame, SplitSpec(val_fraction=named, test_fraction=0)).val)
    with pytest.raises(TableError, match="validation"):
        load(frame, SplitSpec(val_fraction=named - 0.01, test_fraction=0))
    grouped = frame.assign(group=np.arange(60) // 6)
    with pytest.raises(TableError, match=r"raise val_fraction, which has a row from 0\.\d+ on"):
        load(grouped, SplitSpec(val_fraction=0.01, test_fraction=0), group_column="group")
    with pytest.raises(TableError, match="no val_fraction leaves rows to both"):
        load(frame.assign(group=0), SplitSpec(test_fraction=0), group_column="group")


@given(st.integers(0, 99), st.lists(st.integers(2, 9), min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_every_class_keeps_two_training_rows(seed: int, counts: list[int]) -> None:
    strata = np.repeat(np.arange(len(counts) + 1), [40, *counts])
    chosen = choose_rows(
        strata, np.arange(len(strata)), np.arange(len(strata)), SplitSpec(seed=seed), classes=True
    )
    assert np.bincount(strata[chosen.train]).min() >= 2


def test_classes_absent_from_a_part_are_said() -> None:
    with pytest.warns(UserWarning, match="the test split has no row of class 'rare'"):
        load(numbers(102, ["a", "b"] * 50 + ["rare"] * 2))


@given(st.integers(0, 2**31), st.integers(12, 40))
@settings(max_examples=30, deadline=None)
def test_rows_of_equal_features_never_straddle(seed: int, kinds: int) -> None:
    draws = rng(seed, "duplicates")
    frame = pd.DataFrame({"a": draws.integers(0, kinds, 300), "b": draws.choice(["u", "v"], 300)})
    frame["y"] = draws.choice(["n", "p"], 300)
    frame.loc[draws.random(300) < 0.1, "b"] = None
    part = np.zeros(300, dtype=int)
    splits = load(frame)
    for number, rows in enumerate(rows_of(splits)):
        part[list(rows)] = number
    frame["part"] = part
    straddling = frame.groupby(["a", "b"], dropna=False)["part"].nunique()
    assert (straddling == 1).all()


def test_identical_means_equal_as_numbers() -> None:
    frame = pd.DataFrame({"a": ["1", "1.0", "01", "2", "x", "x ", ""], "b": [0] * 7})
    rows = identical_rows(list(read_cells(frame).values()))
    assert rows[0] == rows[1] == rows[2]
    assert rows[4] == rows[5]
    assert len(set(rows[[0, 3, 4, 6]])) == 4


def test_groups_never_straddle_and_shares_hold() -> None:
    groups = [f"patient {i // 4}" for i in range(800)]
    frame = numbers(800, ["a", "b"] * 400).assign(group=groups)
    splits = load(frame, group_column="group")
    assert [column.name for column in splits.train.schema.features] == ["a"]
    members = [{groups[row] for row in rows} for rows in rows_of(splits)]
    assert members[0].isdisjoint(members[1] | members[2])
    assert members[1].isdisjoint(members[2])
    assert [len(rows) for rows in rows_of(splits)] == [480, 120, 200]


def test_blocks_join_twins_and_groups_transitively() -> None:
    blocks = joined_blocks(np.array([0, 1, 1, 2, 3]), np.array([7, 7, 8, 8, -1]))
    assert len(set(blocks[:4])) == 1
    assert blocks[4] != blocks[0]


def test_large_groups_still_give_every_part() -> None:
    frame = numbers(200, ["a", "b"] * 100).assign(group=np.repeat(np.arange(5), 40))
    sizes = [len(rows) for rows in rows_of(load(frame, group_column="group"))]
    assert min(sizes) >= 40


def test_limits_are_nested_stratified_and_keep_two_of_each_class() -> None:
    frame = numbers(1000, ["a"] * 700 + ["b"] * 290 + ["rare"] * 10)
    whole = load(frame)
    previous: set[int] = set()
    for limit in (6, 7, 50, 200, 600, 5000):
        splits = load(frame, SplitSpec(max_train_rows=limit))
        rows = rows_of(splits)
        assert len(rows[0]) == min(limit, len(whole.train))
        assert previous <= rows[0] <= rows_of(whole)[0]
        assert np.bincount(splits.train.target.astype(int)).min() >= 2
        assert rows[1:] == rows_of(whole)[1:]
        previous = rows[0]
    shares = np.bincount(load(frame, SplitSpec(max_train_rows=200)).train.target.astype(int)) / 200
    np.testing.assert_allclose(shares, [0.7, 0.29, 0.01], atol=0.02)
    with pytest.raises(TableError, match="max_train_rows is 5, but 3 classes with 2 rows each"):
        load(frame, SplitSpec(max_train_rows=5))


def test_limits_of_regression_keep_the_distribution() -> None:
    target = rng(1, "t").normal(size=1000)
    strata = target_strata(target)
    picked = limit_rows(strata, rng(1, "k").random(1000), 100, 2)
    assert np.bincount(strata[picked]).tolist() == [10] * 10


def predefined() -> pd.DataFrame:
    frame = numbers(60, ["a", "b"] * 30)
    frame["part"] = (["train"] * 3 + ["val"] + ["TEST", " test "]) * 10
    return frame


def test_a_split_column_gives_the_split() -> None:
    splits = load(predefined(), split_column="part")
    assert [column.name for column in splits.train.schema.features] == ["a"]
    assert rows_of(splits)[1] == set(range(3, 60, 6))
    assert [len(rows) for rows in rows_of(splits)] == [30, 10, 20]


def test_a_split_column_is_checked() -> None:
    frame = predefined()
    frame.loc[7, "part"] = "hold-out"
    with pytest.raises(TableError, match=r"'part' holds train, val, test, but row 7 .*'hold-out'"):
        load(frame, split_column="part")
    frame.loc[7, "part"] = None
    with pytest.raises(TableError, match=r"row 7 .* holds nothing"):
        load(frame, split_column="part")
    with pytest.raises(TableError, match=r"'part' names 1 training row\(s\)"):
        load(frame.assign(part=["train"] + ["val"] * 59), split_column="part")


def test_later_twins_of_a_split_column_are_left_out() -> None:
    frame = predefined()
    frame.loc[6, "a"] = frame.loc[4, "a"]  # row 6 trains, row 4 tests, both of class a
    with pytest.warns(UserWarning, match=r"1 validation or test row\(s\) .* left out, first row 4"):
        splits = load(frame, split_column="part")
    assert 4 not in set.union(*rows_of(splits))
    assert 6 in rows_of(splits)[0]


def test_groups_that_contradict_a_split_column_are_refused() -> None:
    frame = predefined().assign(group=np.arange(60) // 2)
    with pytest.raises(TableError, match=r"share a group or all cells .* first row 3"):
        load(frame, split_column="part", group_column="group")


def test_a_class_that_only_the_test_rows_have_is_refused() -> None:
    frame = predefined()
    frame.loc[4, "y"] = "new"
    with pytest.raises(
        TableError, match=r"row 4 .* has a class of the target 'y' that no training"
    ):
        load(frame, split_column="part", task="multiclass")
