"""What test rows hold changes nothing of what training sees."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.tables import (
    BUILTIN_TABLES,
    Encoder,
    SplitSpec,
    TableSpec,
    TableSplits,
    load_splits,
)

pytestmark = pytest.mark.filterwarnings("ignore:column .* unseen in training")


def assert_training_is_equal(one: TableSplits, other: TableSplits) -> None:
    assert one.train.schema == other.train.schema
    for part in ("train", "val"):
        a, b = getattr(one, part), getattr(other, part)
        np.testing.assert_array_equal(a.rows, b.rows)
        assert a.fingerprint() == b.fingerprint()
    np.testing.assert_array_equal(one.test.rows, other.test.rows)
    encoders = [dataclasses.asdict(Encoder.fit(splits.train)) for splits in (one, other)]
    for name, value in encoders[0].items():
        np.testing.assert_array_equal(value, encoders[1][name], err_msg=name)


def vandalised(frame: pd.DataFrame, rows: Any, target: str) -> pd.DataFrame:
    """Rows whose numbers become huge and fractional, and whose texts become new categories."""
    frame = frame.astype(object)
    for name in frame.columns.drop(target):
        cells = pd.to_numeric(frame.loc[rows, name], errors="coerce")
        new = "new " + frame.loc[rows, name].astype(str)
        frame.loc[rows, name] = new.where(cells.isna(), cells * 1e6 + 0.123)
    return frame


@pytest.mark.parametrize("name", ["german_credit", "sklearn:diabetes", "sklearn:wine"])
@pytest.mark.parametrize("seed", [0, 1])
def test_changed_test_rows_change_no_bit_of_training(name: str, seed: int) -> None:
    builtin = BUILTIN_TABLES[name]
    frame, split = builtin.read(), SplitSpec(seed=seed)
    before = load_splits(TableSpec(frame, target=builtin.target), split)
    changed = vandalised(frame, before.test.rows, builtin.target)
    after = load_splits(TableSpec(changed, target=builtin.target), split)
    assert_training_is_equal(before, after)
    assert after.test.fingerprint() != before.test.fingerprint()


def test_twins_in_test_change_nothing_either(
    real_tables: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    folder, entries = real_tables
    entry = entries["blood_transfusion"]
    frame = pd.read_csv(folder / entry["file"])
    before = load_splits(TableSpec(frame, target=entry["target"]), SplitSpec())
    changed = frame.astype({"TotalBloodDonated": float})
    changed.loc[before.test.rows, "TotalBloodDonated"] = 123_456_789.5  # joins twins, parts none
    features = frame.columns.drop(entry["target"])
    other = frame.astype(dict.fromkeys(features, float))
    other.loc[before.test.rows, features] += 0.25
    for table in (changed, other):
        after = load_splits(TableSpec(table, target=entry["target"]), SplitSpec())
        assert_training_is_equal(before, after)


def test_with_a_split_column_test_targets_change_nothing() -> None:
    builtin = BUILTIN_TABLES["sklearn:diabetes"]
    frame = builtin.read()
    frame["part"] = np.resize(["train", "train", "val", "test"], len(frame))
    spec = {"target": builtin.target, "split_column": "part"}
    before = load_splits(TableSpec(frame, **spec), SplitSpec(max_train_rows=100))
    changed = frame.astype({builtin.target: float, "bmi": object})
    changed.loc[before.test.rows, builtin.target] *= -1000.5
    changed.loc[before.test.rows, "bmi"] = "1e30"
    after = load_splits(TableSpec(changed, **spec), SplitSpec(max_train_rows=100))
    assert_training_is_equal(before, after)
