"""From the body of a request to a table, JSON or CSV, or to one line on what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.tables.csv_file import header_width, parse_csv

_NAME = Path("the body")
"""What messages call it."""


class RequestError(LitCausalMixError, ValueError):
    """A request that is refused.

    Args:
        status: Of HTTP, 400 to 499.
        message: What is wrong, and the rule.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Body:
    """What of a request bears on the answer.

    Attributes:
        content: The body as it came.
        media_type: Its type in lower case, without parameters.
        quantiles: Levels as the address has them: "0.05,0.95", or "".
    """

    content: bytes
    media_type: str = "application/json"
    quantiles: str = ""


def read_rows(
    body: Body, *, max_rows: int, max_columns: int, one_column: bool = False
) -> pd.DataFrame:
    """Reads the rows of a request, cells untouched.

    JSON is a list of rows, each a mapping from column to cell; null is a gap. CSV is what the
    command line reads.

    Args:
        body: The request.
        max_rows: Most rows of one request.
        max_columns: Most columns: a frame of a million takes half a minute to make.
        one_column: Whether CSV of one column is a table (`tables.csv_file.read_csv`).

    Raises:
        RequestError: 415 for another type, 400 for what is none, 413 for what is too large.
        TableError: For CSV that is no table.

    Example:
        >>> read_rows(Body(b'[{"age": 31, "job": null}, {"age": 5.5, "job": "nurse"}]'),
        ...           max_rows=10, max_columns=10)
           age    job
        0   31   None
        1  5.5  nurse
    """
    if body.media_type not in READERS:
        raise RequestError(
            415, f"a body is {' or '.join(READERS)}, got Content-Type {body.media_type!r}"
        )
    frame = READERS[body.media_type](body.content, max_columns, one_column)
    if len(frame) > max_rows:
        raise RequestError(
            413, f"the body holds {len(frame):,} rows, and this server takes {max_rows:,} at once"
        )
    return frame


def read_levels(quantiles: str) -> tuple[float, ...]:
    """Reads levels of quantiles.

    Raises:
        RequestError: If one is no number.

    Example:
        >>> read_levels("0.05,0.95")
        (0.05, 0.95)
    """
    try:
        return tuple(float(level) for level in quantiles.split(",") if level.strip())
    except ValueError as error:
        raise RequestError(
            400, f"quantiles are numbers with commas between them, got {quantiles[:80]!r}"
        ) from error


def _check_width(columns: int, most: int) -> None:
    if columns > most:
        raise RequestError(
            413,
            f"the body has {columns:,} columns, and this server takes {most:,}: see /schema",
        )


def _check_names(columns: list[str]) -> None:
    try:
        "".join(columns).encode()
    except UnicodeEncodeError as error:
        raise RequestError(400, f"a column has no name in UTF-8: {error}") from error


def _from_json(content: bytes, max_columns: int, _one_column: bool) -> pd.DataFrame:
    rows = _parsed(content)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RequestError(
            400,
            'the body is a list of one or more rows, each a mapping: [{"column": value, …}, …]; '
            f"got {_shown(rows)}",
        )
    columns = list(rows[0])
    _check_width(len(columns), max_columns)
    _check_names(columns)
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            differing = sorted(row.keys() ^ rows[0].keys())[:3]
            raise RequestError(
                400,
                f"rows have the same columns, but row {number} (counted from 0) and the first one "
                f"differ in {', '.join(map(repr, differing))}: send null for a gap",
            )
    cells = [[row[name] for name in columns] for row in rows]
    return pd.DataFrame(cells, columns=columns, dtype=object)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_mapping
        )
    except RecursionError as error:
        raise RequestError(400, "the body is nested too deeply to be rows") from error
    except ValueError as error:  # of JSON and of UTF-8, and a number of thousands of digits
        raise RequestError(400, f"the body cannot be read as JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON, send null for a gap")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a name stands twice in {_shown([name for name, _ in pairs])}")
    return found


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _from_csv(content: bytes, max_columns: int, one_column: bool) -> pd.DataFrame:
    _check_width(header_width(content), max_columns)
    return parse_csv(content, _NAME, one_column=one_column)


READERS: dict[str, Callable[[bytes, int, bool], pd.DataFrame]] = {
    "application/json": _from_json,
    "text/csv": _from_csv,
}
"""Readers of bodies by media type."""
