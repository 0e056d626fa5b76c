"""Splits by time."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables import Fold, SplitSpec, TableSpec, TableSplits, load_rows, load_splits
from lit_causalmix.tables.in_time import rows_by_time


def sold(n: int = 60, *, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    days = pd.Timestamp("2024-01-30") + pd.to_timedelta(generator.permutation(n), unit="D")
    frame = pd.DataFrame({"a": generator.normal(size=n), "when": days.strftime("%d.%m.%Y")})
    frame["y"] = np.where(generator.random(n) > 0.5, "yes", "no")
    return frame


def load(frame: pd.DataFrame, *, seed: int = 0, **spec: object) -> TableSplits:
    settings = {"target": "y", "time_column": "when"} | spec
    return load_splits(TableSpec(frame, **settings), SplitSpec(seed=seed))  # type: ignore[arg-type]


@given(
    st.lists(st.integers(0, 12), min_size=4, max_size=40),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.integers(1, 30),
)
def test_no_row_is_later_than_one_of_a_later_part(
    times: list[int], val: float, test: float, kinds: int
) -> None:
    moments = np.array(times, dtype=np.float64)
    blocks = np.arange(len(times)) % kinds
    split = SplitSpec(val_fraction=val, test_fraction=test)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows that are left out
            rows = rows_by_time(moments, blocks, np.arange(len(times)), split)
    except TableError:
        return  # one of the parts that were wanted would be empty
    parts = [rows.train, rows.val, rows.test]
    for number, later in enumerate(parts[1:], start=1):
        for earlier in parts[:number]:
            assert max(moments[earlier], default=-1) < min(moments[later], default=99)
            assert not set(blocks[earlier]) & set(blocks[later])
    left_out = set(range(len(times))) - {int(row) for part in parts for row in part}
    for row in left_out:
        assert min(moments[blocks == blocks[row]]) < moments[row]


def test_later_rows_with_the_features_of_earlier_ones_are_left_out_and_counted() -> None:
    times = np.arange(10.0)
    blocks = np.array([0, 1, 2, 3, 4, 0, 5, 6, 1, 7])
    split = SplitSpec(val_fraction=0.25, test_fraction=0.2)
    with pytest.warns(UserWarning, match=r"1 validation or test row\(s\) .* left out, first row 8"):
        rows = rows_by_time(times, blocks, np.arange(10), split)
    assert [part.tolist() for part in (rows.train, rows.val, rows.test)] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7],
        [9],
    ]
    blocks[9] = 0
    with pytest.raises(TableError, match="the test split: all 2 have the features of an earlier"):
        rows_by_time(times, blocks, np.arange(10), split)


def test_the_latest_rows_are_tested_whatever_the_seed_and_time_is_no_feature() -> None:
    frame = sold()
    when = pd.to_datetime(frame["when"], dayfirst=True)
    one, other = load(frame), load(frame, seed=5)
    for part in ("train", "val", "test"):
        assert np.array_equal(getattr(one, part).rows, getattr(other, part).rows)
    train, val, test = (when[getattr(one, part).rows] for part in ("train", "val", "test"))
    assert train.max() < val.min() <= val.max() < test.min()
    assert [len(part) for part in (train, val, test)] == [36, 9, 15]
    assert [column.name for column in one.train.schema.features] == ["a"]
    new = load_rows(frame.drop(columns=["when", "y"]), one.train, TableSpec("", time_column="when"))
    assert np.array_equal(new.values[:, 0], frame["a"])


def test_numbers_are_times_too_and_a_named_format_is_read() -> None:
    frame = sold().assign(when=np.arange(60)[::-1] * 1e6)
    assert load(frame).test.rows.tolist() == list(range(15))
    american = sold().assign(
        when=[f"{m}/{d}/2023 10:00" for m in range(1, 13) for d in range(1, 6)]
    )
    with pytest.raises(TableError, match=r"fits .* and .*: name the format as in"):
        load(american)
    splits = load(american, kinds={"when": "date:%m/%d/%Y %H:%M"})
    assert splits.test.rows.tolist() == list(range(45, 60))


@pytest.mark.parametrize("date_format", ["%d%m%Y", "%d%m%y", "%m%Y", "%m/%Y", "%Y-%m", "%Y%m%d"])
def test_digits_are_ordered_by_the_format_that_is_stated(date_format: str) -> None:
    moments = pd.Series(pd.date_range("2019-01-01", periods=60, freq="9D"))
    frame = sold().assign(when=moments.dt.strftime(date_format))
    splits = load(frame, kinds={"when": f"date:{date_format}"})
    train, val, test = (moments[getattr(splits, part).rows] for part in ("train", "val", "test"))
    assert train.max() < val.min()
    assert val.max() < test.min()


def test_digits_that_are_called_dates_are_no_numbers() -> None:
    moments = pd.Series(pd.date_range("2019-01-01", periods=60, freq="9D"))
    frame = sold().assign(when=moments.dt.strftime("%d%m%Y"))
    with pytest.raises(TableError, match=r"column 'when', .* has no common format: name the"):
        load(frame, kinds={"when": "date"})
    lost = frame.assign(when=frame["when"].astype(int))  # 1012019, once 01012019
    with pytest.raises(TableError, match="'1012019' in the time column 'when', which is no date"):
        load(lost, kinds={"when": "date:%d%m%Y"})


def test_what_cannot_be_split_by_time_is_refused() -> None:
    frame = sold()
    with pytest.raises(TableError, match=r"'when' is missing in row 7 \(counted from 0\)"):
        load(frame.assign(when=frame["when"].where(frame.index != 7)))
    with pytest.raises(TableError, match="no row is left for the training split: 1 different"):
        load(frame.assign(when=3))
    with pytest.raises(TableError, match=r"class 'rare' .* has 1 row in training"):
        load(frame.assign(when=range(60), y=["rare", *frame.y[1:-1], "rare"]))
    with pytest.raises(ConfigurationError, match="time_column and group_column contradict"):
        TableSpec(frame, target="y", time_column="when", group_column="a")
    with pytest.raises(TableError, match="folds mix times"):
        load_splits(TableSpec(frame, target="y", time_column="when"), SplitSpec(), fold=Fold(0, 2))
    with pytest.raises(TableError, match="no column 'whn'"):
        load(frame, time_column="whn")


def test_a_file_is_split_by_time_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lit_causalmix.commands.main import main

    monkeypatch.chdir(tmp_path)
    sold().to_csv("t.csv", index=False)
    tiny = Path(__file__).parents[1] / "conf" / "tiny.yaml"
    line = ["fit", "--config", str(tiny), "--data.table.source=t.csv", "--data.table.target=y"]
    line += ["--data.table.time_column=when", "--data.synthetic_ratio=0", "--trainer.max_epochs=1"]
    assert main(line) == 0
    assert "36 training, 9 validation, 15 test rows, by 'when'" in capsys.readouterr().out
