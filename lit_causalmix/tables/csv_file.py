"""Reading delimited text: every cell stays text, and every fault of the file is named."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.spec import MOST_BYTES

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_SNIFFED_ROWS = 50
_BOM = b"\xef\xbb\xbf"


def read_csv(path: Path, max_bytes: int = MOST_BYTES, *, one_column: bool = False) -> pd.DataFrame:
    """Reads a delimited text file; all cells are text, stripped of nothing.

    Blank lines are ignored. In a file of one column one is an empty cell, as programs write it,
    unless no other line follows.

    Args:
        path: A .csv, .tsv or .txt file in UTF-8, or one of these with .gz appended. The delimiter
            is found among comma, semicolon and tab (.tsv: tab).
        max_bytes: Most bytes of text; no more is ever unpacked.
        one_column: Whether one column will do, as a model of one feature needs no more. Otherwise
            it is refused: the delimiter is then another.

    Raises:
        TableError: If the file is empty, not UTF-8, not rectangular, has no usable header, or holds
            more text.
    """
    return parse_csv(_content(path, max_bytes), path, one_column=one_column)


def parse_csv(content: bytes, path: Path, *, one_column: bool = False) -> pd.DataFrame:
    """Reads delimited text that is in memory; as `read_csv`, of which `path` is but the name."""
    text = _text(content, path)
    if not text.strip():
        raise TableError(f"{path} is empty: a table has a header line and at least two rows")
    delimiter = "\t" if ".tsv" in path.suffixes else _delimiter(text, path, one_column)
    rows = _rows(text, delimiter, path)
    header = [name.strip() for name in next(rows)]
    cells = list(rows)
    table = np.array(cells, dtype=object).reshape(len(cells), len(header))
    return pd.DataFrame(table, columns=header, dtype=object)


def header_width(content: bytes) -> int:
    """Most cells that a delimiter finds in the header; reads no further.

    The header is the first line that is not blank, and cells in quotes may hold breaks of lines. 0
    where there is none, or it is none of CSV, as the parser will say.

    Example:
        >>> header_width(b'"a;b",c')
        2
    """
    return max(_header_width(content, delimiter) for delimiter in _DELIMITERS)


def _header_width(content: bytes, delimiter: str) -> int:
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8", "replace", newline="\n")
    try:
        return len(next(filter(None, csv.reader(text, delimiter=delimiter)), ()))
    except csv.Error:
        return 0


def too_large(path: Path, found: str, max_bytes: int) -> TableError:
    """Returns the error for a file that holds more than `TableSpec.max_bytes`."""
    return TableError(
        f"{path} holds {found}, and data.table.max_bytes allows {max_bytes:,} (a kept model has "
        "that of its fit): raise it if the memory suffices (a table takes ten times its bytes, or "
        "more), or take fewer rows (of a Parquet file to fit, with data.table.max_rows)"
    )


def _content(path: Path, max_bytes: int) -> bytes:
    packed = path.suffix.lower() == ".gz"
    try:
        with (gzip.open if packed else open)(path, "rb") as stream:
            raw: bytes = stream.read(max_bytes + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{path} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > max_bytes:
        raise too_large(path, f"more than {max_bytes:,} bytes of text", max_bytes)
    return raw


def _text(raw: bytes, path: Path) -> str:
    start = len(_BOM) if raw.startswith(_BOM) else 0
    try:
        return raw[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        # Where ISO 8859-1 has control characters, the code pages of Windows have the euro sign.
        windows = any(0x80 <= byte <= 0x9F for byte in raw)
        latin = "WINDOWS-1252" if windows else "ISO-8859-1"
        encoding = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else latin
        raise TableError(
            f"{path} is not UTF-8: byte 0x{raw[start + error.start]:02x} at offset "
            f"{start + error.start}; convert it, for example with "
            f"'iconv -f {encoding} -t UTF-8 {path.name} > converted.csv'"
        ) from error


def _delimiter(text: str, path: Path, one_column: bool) -> str:
    """Returns the delimiter that gives the widest table of equally long rows.

    Where one column will do, a comma stands for what separates nothing.
    """
    best: tuple[bool, int, str] = (False, 1, "")
    fault = ""
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)  # faults are named later
        try:
            widths = [len(row) for row in islice(reader, _SNIFFED_ROWS) if row]
        except csv.Error as error:
            fault = f"{path}, line {reader.line_num}: {error}"
            continue
        if widths[0] > 1:
            best = max(best, (len(set(widths)) == 1, widths[0], delimiter))
    if not best[2] and one_column and not fault:
        return ","
    if not best[2]:
        raise TableError(
            fault
            or f"{path} has a single column when read with {', '.join(_DELIMITERS.values())} as "
            "delimiter: separate the columns with one of these"
        )
    return best[2]


def _rows(text: str, delimiter: str, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    width = blank = 0
    try:
        for row in reader:
            if not row:  # a blank line
                blank += width == 1  # none before the header
                continue
            width = width or len(row)
            if len(row) != width:
                raise TableError(
                    f"{path}, line {reader.line_num}: {len(row)} cells, the header has {width}; "
                    f"a cell that holds a {_DELIMITERS[delimiter]} needs double quotes"
                )
            yield from ([""] for _ in range(blank))  # a line less would shift all after it
            blank = 0
            yield row
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: {error}") from error
