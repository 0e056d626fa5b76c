"""A part of the rows of a source that is larger than the memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.row_sample import sampled_rows
from lit_causalmix.tables.sources import read_source

ROWS = 40_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of twenty row groups, with text that differs in every row."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": np.arange(ROWS),
            "text": [f"row {i}" for i in range(ROWS)],
            "level": rng.choice(["low", "middle", None], ROWS),
            "y": rng.choice(["yes", "no"], ROWS),
        }
    )
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    frame.to_parquet(path, row_group_size=2_000)
    return path


def test_a_file_larger_than_the_limit_gives_the_rows_that_the_whole_would(large: Path) -> None:
    whole = pd.read_parquet(large)
    spec = TableSpec(str(large), target="y", max_rows=500, max_bytes=200_000)
    with pytest.warns(UserWarning, match="500 of 40,000 rows are kept, at random"):
        frame = read_source(spec).frame
    expected = whole.iloc[sampled_rows(ROWS, 500)].reset_index(drop=True)
    for name in whole.columns:
        found = [None if pd.isna(cell) else cell for cell in frame[name]]
        assert found == [None if pd.isna(cell) else cell for cell in expected[name]]
    with pytest.warns(UserWarning, match="rows are kept"):
        assert read_source(spec).frame.equals(frame)


def test_memory_is_that_of_a_row_group_and_of_the_rows_that_are_kept(large: Path) -> None:
    import pyarrow

    def peak(spec: TableSpec) -> int:
        former = pyarrow.default_memory_pool()
        pool = pyarrow.proxy_memory_pool(pyarrow.system_memory_pool())
        pyarrow.set_memory_pool(pool)
        try:
            read_source(spec)
        finally:
            pyarrow.set_memory_pool(former)
        return int(pool.max_memory())

    with pytest.warns(UserWarning, match="rows are kept"):
        part = peak(TableSpec(str(large), target="y", max_rows=1_000))
    assert 0 < part < peak(TableSpec(str(large), target="y")) / 3


def test_a_table_is_split_and_coded_from_the_kept_rows(large: Path) -> None:
    spec = TableSpec(str(large), target="y", drop=["text"], max_rows=300, max_bytes=200_000)
    with pytest.warns(UserWarning, match="rows are kept"):
        splits = load_splits(spec, SplitSpec())
    assert sum(map(len, (splits.train, splits.val, splits.test))) == 300
    assert int(splits.test.rows.max()) < 300


@pytest.mark.parametrize(
    ("max_bytes", "max_rows", "text"),
    [
        (1_000, 500, "a row group of .* bytes once decoded, and data.table.max_bytes allows 1,000"),
        (200_000, 20_000, "in max_rows = 20,000 rows"),
        (200_000, None, "take fewer rows .*max_rows"),
    ],
)
def test_what_would_not_fit_is_refused(
    large: Path, max_bytes: int, max_rows: int | None, text: str
) -> None:
    with pytest.raises(TableError, match=text):
        read_source(TableSpec(str(large), target="y", max_rows=max_rows, max_bytes=max_bytes))


def test_frames_and_text_files_are_sampled_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(50), "y": ["n", "p"] * 25})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, str(tmp_path / "t.csv")):
        with pytest.warns(UserWarning, match="20 of 50 rows"):
            found = read_source(TableSpec(source, target="y", max_rows=20)).frame
        assert found["a"].astype(int).tolist() == sampled_rows(50, 20).tolist()
    assert len(read_source(TableSpec(frame, target="y", max_rows=50)).frame) == 50


def test_fewer_than_two_rows_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_rows is null or at least 2, got 1"):
        TableSpec("t.csv", target="y", max_rows=1)


@pytest.mark.parametrize(("n", "most"), [(10, 3), (1_000, 999), (7, 7), (0, 3)])
def test_positions_are_distinct_ascending_and_within(n: int, most: int) -> None:
    rows = sampled_rows(n, most)
    assert len(rows) == min(n, most)
    assert (np.diff(rows) > 0).all()
    assert not len(rows) or (rows[0] >= 0 and rows[-1] < n)


def test_each_row_is_as_likely_as_any_other() -> None:
    halves = [np.mean(sampled_rows(n, 200) < n / 2) for n in range(1_000, 1_200)]
    assert abs(np.mean(halves) - 0.5) < 0.01
