"""Folds: stratified, whole blocks, every row once, and the rows of one split."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables import Fold, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.folds import assign_folds

K = 4


def splits(frame: pd.DataFrame, number: int, folds: int = K, **spec: Any) -> Any:
    table = TableSpec(frame, target="target", **spec)
    return load_splits(table, SplitSpec(max_train_rows=70), fold=Fold(number, folds))


def test_strata_are_dealt_out_evenly() -> None:
    generator = np.random.default_rng(0)
    strata = generator.choice(3, 103, p=[0.6, 0.3, 0.1])
    folds = assign_folds(strata, np.arange(103), generator.random(103), 5)
    counts = np.array([[((strata == s) & (folds == f)).sum() for f in range(5)] for s in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert np.ptp(counts.sum(axis=0)) <= 1


def test_blocks_stay_whole_and_fill_folds_evenly() -> None:
    generator = np.random.default_rng(1)
    blocks = np.repeat(np.arange(40), generator.integers(1, 6, 40))
    strata = generator.integers(0, 2, 40)[blocks]
    folds = assign_folds(strata, blocks, generator.random(len(blocks)), 4)
    assert all(len(set(folds[blocks == block])) == 1 for block in range(40))
    assert np.ptp(np.bincount(folds)) <= 6


@pytest.mark.parametrize("regression", [False, True])
def test_every_row_of_one_split_validates_once(make_frame: Any, regression: bool) -> None:
    frame = make_frame(regression=regression)
    one = load_splits(TableSpec(frame, target="target"), SplitSpec(max_train_rows=70))
    parts = [splits(frame, number) for number in range(K)]
    rows = np.concatenate([part.val.rows for part in parts])
    assert sorted(rows) == sorted(np.concatenate([one.train.rows, one.val.rows]))
    for part in parts:
        assert np.array_equal(part.test.rows, one.test.rows)
        assert not set(part.train.rows) & set(part.val.rows)
        assert len(part.train) + len(part.val) == len(rows)
        assert abs(len(part.val) - len(rows) / K) < 2


def test_rows_of_one_group_share_a_fold(make_frame: Any) -> None:
    frame = make_frame(240).assign(street=np.arange(240) // 6)
    for number in range(K):
        part = splits(frame, number, group_column="street")
        assert not set(part.train.rows // 6) & set(part.val.rows // 6)


def test_changed_rows_of_a_fold_change_no_bit_of_its_training_rows(frame: pd.DataFrame) -> None:
    before = splits(frame, 1)
    changed = frame.copy()
    changed.loc[before.val.rows, "age"] = np.arange(len(before.val)) + 500.5
    after = splits(changed, 1)
    assert before.train.fingerprint() == after.train.fingerprint()
    assert not np.array_equal(before.val.values, after.val.values)


@pytest.mark.parametrize(("number", "folds"), [(0, 1), (3, 3), (-1, 3)])
def test_what_is_no_fold_is_refused(number: int, folds: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"got {number} of {folds}"):
        Fold(number, folds)


def test_fewer_rows_than_folds_are_refused(make_frame: Any) -> None:
    with pytest.raises(TableError, match=r"data.folds is 50, and there are 30 rows to train and"):
        splits(make_frame(40, regression=True), 0, 50)


def test_fewer_groups_than_folds_are_refused(make_frame: Any) -> None:
    frame = make_frame(200, regression=True).assign(street=np.arange(200) // 10)
    with pytest.raises(TableError, match=r"data.folds is 20, .* in 1\d blocks of identical or"):
        splits(frame, 0, 20, group_column="street")


def test_a_class_with_fewer_rows_than_folds_is_refused(frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.loc[:2, "target"] = "rare"
    with pytest.raises(TableError, match=r"data.folds is 5, and class 'rare' .* has \d rows"):
        splits(frame, 0, 5)


def test_a_class_of_one_group_is_refused(make_frame: Any) -> None:
    frame = make_frame(200).assign(street=np.arange(200))
    rare = frame.index[:12]
    frame.loc[rare, ["target", "street"]] = ["rare", 0]
    message = "class 'rare' of the target 'target' has 0 training rows"
    with pytest.raises(TableError, match=message):
        splits(frame, 0, group_column="street")
