"""Reading Parquet: bounded before anything is decoded, and every fault of the file is one line."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.csv_file import too_large
from lit_causalmix.tables.row_sample import sampled_rows, say_sampled

_CELL_BYTES = 8


def read_parquet(path: Path, max_bytes: int) -> pd.DataFrame:
    """Reads a Parquet file.

    Text is kept as the file's own dictionary where it has one, so that a few bytes cannot unfold
    to many copies of a long text.

    Args:
        path: The file.
        max_bytes: Most bytes once decoded, as the file's own directory states them: unpacked pages,
            or 8 bytes for each cell where that is more.

    Raises:
        TableError: If the file is damaged or holds more.
    """
    return _guarded(path, lambda: _read(path, max_bytes))


def sample_parquet(path: Path, max_bytes: int, max_rows: int) -> pd.DataFrame:
    """Reads some rows of a Parquet file, row group by row group; the file may hold any number.

    Args:
        path: The file.
        max_bytes: Most bytes, once decoded, of one row group and of the rows that are kept.
        max_rows: Most rows (`sampled_rows`).

    Raises:
        TableError: If the file is damaged, or a row group or the rows to keep hold more bytes.
    """
    return _guarded(path, lambda: _sample(path, max_bytes, max_rows))


def _guarded(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    if importlib.util.find_spec("pyarrow") is None:
        raise TableError(f"reading {path} needs pyarrow: pip install 'lit-causalmix[parquet]'")
    try:
        return read()
    except TableError:
        raise
    except MemoryError as error:
        raise TableError(
            f"{path} asks for more memory than there is: {first_line(error)}"
        ) from error
    # A damaged file raises whatever its bytes lead to: Arrow's own errors, but also those of the
    # JSON, the type names and the index that pandas keeps in it.
    except Exception as error:
        raise TableError(f"{path} is not a whole Parquet file: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(path: Path, max_bytes: int) -> pd.DataFrame:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        size = sum(_group_bytes(file.metadata))
        text = _text_columns(file)
    if size > max_bytes:
        raise too_large(path, f"{size:,} bytes once decoded", max_bytes)
    with ParquetFile(path, read_dictionary=text) as file:
        return _with_named_index(file.read().to_pandas())


def _sample(path: Path, max_bytes: int, max_rows: int) -> pd.DataFrame:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        groups, n = _group_bytes(file.metadata), file.metadata.num_rows
        sizes = [file.metadata.row_group(i).num_rows for i in range(len(groups))]
        text = _text_columns(file)
    if max(groups, default=0) > max_bytes:
        raise too_large(path, f"a row group of {max(groups):,} bytes once decoded", max_bytes)
    kept = sum(groups) * min(1.0, max_rows / max(1, n))
    if kept > max_bytes:
        found = f"about {kept:,.0f} bytes once decoded in max_rows = {max_rows:,} rows"
        raise too_large(path, found, max_bytes)
    if n > max_rows:
        say_sampled(n, max_rows)
    rows, ends = sampled_rows(n, max_rows), np.cumsum(sizes)
    parts = []
    with ParquetFile(path, read_dictionary=text) as file:
        for group, end in enumerate(ends):
            start = end - sizes[group]
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                table = file.read_row_group(group).take(pyarrow.array(rows[first:last] - start))
                parts.append(_compact(table))
        if not parts:
            parts.append(file.schema_arrow.empty_table())
    return _with_named_index(pyarrow.concat_tables(parts).unify_dictionaries().to_pandas())


def _with_named_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that pandas wrote as its row index are columns of the file as any other."""
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(level=named) if named else frame


def _compact(table: Any) -> Any:
    """The table without the texts of its dictionaries that no cell uses any more."""
    import pyarrow
    from pyarrow import compute

    for place, field in enumerate(table.schema):
        if not pyarrow.types.is_dictionary(field.type):
            continue
        chunks = []
        for chunk in table.column(place).chunks:
            used = chunk.indices.unique().drop_null()
            codes = compute.index_in(chunk.indices, value_set=used)
            chunks.append(pyarrow.DictionaryArray.from_arrays(codes, chunk.dictionary.take(used)))
        kind = pyarrow.dictionary(pyarrow.int32(), field.type.value_type)
        table = table.set_column(place, field.name, pyarrow.chunked_array(chunks, kind))
    return table


def _text_columns(file: Any) -> list[str]:
    return [f.name for f in file.schema_arrow if str(f.type) in ("string", "large_string")]


def _group_bytes(metadata: Any) -> list[int]:
    """Bytes of each row group once decoded: unpacked pages, or 8 for each cell if that is more."""
    sizes = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        columns = [group.column(j) for j in range(group.num_columns)]
        cells = max(sum(c.num_values for c in columns), group.num_rows * metadata.num_columns)
        pages = sum(column.total_uncompressed_size for column in columns)
        sizes.append(int(max(pages, _CELL_BYTES * cells)))
    return sizes
