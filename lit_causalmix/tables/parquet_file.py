"""Reading Parquet: bounded before anything is decoded, and every fault of the file is one line."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.csv_file import too_large

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
    if importlib.util.find_spec("pyarrow") is None:
        raise TableError(f"reading {path} needs pyarrow: pip install 'lit-causalmix[parquet]'")
    try:
        return _read(path, max_bytes)
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
        size = _decoded_bytes(file.metadata)
        schema = file.schema_arrow
    if size > max_bytes:
        raise too_large(path, f"{size:,} bytes once decoded", max_bytes)
    text = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    with ParquetFile(path, read_dictionary=text) as file:
        frame: pd.DataFrame = file.read().to_pandas()
    return frame


def _decoded_bytes(metadata: Any) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(j) for group in groups for j in range(group.num_columns)]
    cells = max(
        sum(column.num_values for column in columns), metadata.num_rows * metadata.num_columns
    )
    pages = sum(column.total_uncompressed_size for column in columns)
    return int(max(pages, _CELL_BYTES * cells))
