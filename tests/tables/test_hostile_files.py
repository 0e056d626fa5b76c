"""Files that are damaged, or far larger than they look: one line each, within bounds."""

import gzip
import time
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.cells import canonical_label
from lit_causalmix.tables.dates import days
from lit_causalmix.tables.sources import read_source


@pytest.mark.parametrize("tail", ["", "x", ".x", "e", "e+", ".5.", "-", "1e1e1"])
def test_long_cells_are_read_in_linear_time(tail: str) -> None:
    def seconds(n: int) -> float:
        start = time.process_time()
        canonical_label("1" * n + tail)
        canonical_label("+" + "1" * n + "." + "1" * n + tail)
        return time.process_time() - start

    assert min(seconds(400_000) for _ in range(3)) < 1  # 64,000 digits took 46 s


def test_a_gzip_file_that_unfolds_to_much_more_is_refused_without_being_unfolded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b"a,b\n")
        for _ in range(300):
            stream.write(b"1,2\n" * 250_000)
    assert path.stat().st_size < 2_000_000
    tracemalloc.start()
    with pytest.raises(TableError, match=r"more than 1,000,000 bytes .*data.table.max_bytes"):
        read_source(TableSpec(str(path), max_bytes=1_000_000))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_the_bound_holds_for_plain_text_too_and_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 100, encoding="utf-8")
    with pytest.raises(TableError, match=r"more than 403 bytes of text"):
        read_source(TableSpec(str(path), max_bytes=403))
    assert len(read_source(TableSpec(str(path), max_bytes=404)).frame) == 100
    with pytest.raises(ConfigurationError, match="max_bytes is at least 1, got 0"):
        TableSpec(str(path), max_bytes=0)


def test_parquet_that_decodes_to_much_more_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.zeros(3_000_000), "b": ["x" * 1000] * 3_000_000}).to_parquet(path)
    assert path.stat().st_size < 500_000
    with pytest.raises(TableError, match=r"48,000,000 bytes once decoded.*data.table.max_bytes"):
        read_source(TableSpec(str(path), max_bytes=40_000_000))
    frame = read_source(TableSpec(str(path), max_bytes=50_000_000)).frame
    assert frame.shape == (3_000_000, 2)
    assert frame["b"].memory_usage(deep=True) < 50_000_000  # the text stands there once


def test_parquet_gives_the_cells_of_the_same_csv(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "word": rng.choice(["b", "a", "c", None], 60),
            "number": rng.normal(size=60),
            "whole": rng.integers(0, 5, 60),
            "target": rng.choice(["yes", "no"], 60),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    read = [
        load_splits(TableSpec(str(tmp_path / name), target="target"), SplitSpec())
        for name in ("t.csv", "t.parquet")
    ]
    assert read[0].train.schema == read[1].train.schema
    np.testing.assert_array_equal(read[0].train.values, read[1].train.values)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_in_a_parquet_file_is_one_line(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(
        {"a": rng.normal(size=50), "b": rng.choice(["x", "y"], 50), "c": pd.Timestamp("2020-01-01")}
    )
    frame.to_parquet(path)
    whole = path.read_bytes()
    refused: list[str] = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read_source(TableSpec(str(path)))  # a bit of a value or of a note may go unnoticed
        except TableError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert not [message for message in refused if "\n" in message]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00+14:00", -719162 - 14 / 24),
        ("9999-12-31T12:00:00-12:00", 2932897),
        ("2020-01-01T00:00:00+02:00", 18262 - 2 / 24),
    ],
)
def test_dates_at_the_ends_of_the_calendar_have_their_days(text: str, expected: float) -> None:
    assert days(text, "iso") == pytest.approx(expected, abs=1e-9)


def test_days_are_those_of_utc() -> None:
    moment = datetime(2020, 5, 17, 13, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    assert days(moment.isoformat(), "iso") == (utc - datetime(1970, 1, 1)) / timedelta(days=1)


@pytest.mark.parametrize("date_format", ["%Q", "%d%d", "%", "%G-W%V"])
def test_a_date_format_that_python_does_not_take_is_refused(date_format: str) -> None:
    with pytest.raises(ConfigurationError, match="no strptime format"):
        TableSpec("t.csv", kinds={"a": f"date:{date_format}"})


@pytest.mark.parametrize("date_format", ["%d/%m/%Y", "%Y%m%dT%H%M%S%z", "%H:%M", "%d %b %y"])
def test_usual_date_formats_are_taken(date_format: str) -> None:
    TableSpec("t.csv", kinds={"a": f"date:{date_format}"})


@pytest.mark.parametrize("source", ["x" * 5000, "nul\0byte", "a/" * 3000])
def test_what_cannot_be_the_name_of_a_file_is_no_table(source: str) -> None:
    with pytest.raises(TableError, match="no table"):
        read_source(TableSpec(source))


@pytest.mark.parametrize("source", [{"a": 1}, [1, 2], 3, None])
def test_a_source_of_another_type_is_refused(source: object) -> None:
    with pytest.raises(TableError, match="a table's source is a path"):
        read_source(TableSpec(source))


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("y", 60, "choose another target"),  # cases 5131 and 5502 of benchmarks/faults/tables.py
        ("f1", 5, "'date:%d/%m/%Y'}"),
    ],
)
def test_a_refusal_that_quotes_a_long_cell_is_short(column: str, cells: int, said: str) -> None:
    days = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"f1": days, "f2": np.arange(60.0), "y": np.arange(60) % 2}, dtype=object)
    frame.loc[: cells - 1, column] = "9" * 20_000
    with pytest.raises(TableError) as caught:
        load_splits(TableSpec(frame, target="y", kinds={"f1": "date"}), SplitSpec())
    assert len(str(caught.value)) < 2_100
    assert str(caught.value).endswith(said)
