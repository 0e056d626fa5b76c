"""Raw columns in dictionary-encoded form, with one canonical label per distinct value.

What a cell is called here depends on that cell alone: never on its column's other cells and never
on the data type that pandas chose for the column, which a single test row could change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import singledispatch
from math import isinf
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.errors import TableError

USUAL_MISSING = (
    "",
    "NA",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "<NA>",
    "#N/A",
    "NULL",
    "Null",
    "null",
    "NaT",
)
"""Cells that always mean "missing". "None" is not among them: in real tables it is a category."""

_NUMBER = re.compile(
    # Possessive: a long cell that is no number after all is not read again from each digit.
    r"[+-]?(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|inf(?:inity)?)",
    re.I,
)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_EXACT = 2**53  # whole numbers below this are exact in float64


@dataclass(frozen=True, eq=False)
class Cells:
    """One raw column: n cells, u distinct values.

    Attributes:
        name: Column name.
        codes: int64 (n,), index into `labels`, -1 where the cell is missing.
        labels: object (u,), distinct canonical text of each value.
        numbers: float64 (u,), the value as a number, NaN where it is not one, maybe infinite.
        levels: Labels in ascending order where the source itself declares one, else empty.
    """

    name: str
    codes: NDArray[np.int64]
    labels: NDArray[np.object_]
    numbers: NDArray[np.float64]
    levels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.int64]) -> Cells:
        return replace(self, codes=self.codes[rows])

    @property
    def counts(self) -> NDArray[np.int64]:
        """Cells that hold each label, int64 (u,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels))

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each cell is missing, bool (n,)."""
        return self.codes < 0


def read_cells(frame: pd.DataFrame, missing_values: Iterable[str] = ()) -> dict[str, Cells]:
    """Dictionary-encodes every column of a raw frame.

    Args:
        frame: Raw frame with distinct text as column names.
        missing_values: Cells that mean "missing" besides `USUAL_MISSING`.

    Raises:
        TableError: If a cell holds something that is neither text, number, truth value nor date.
    """
    missing = {*USUAL_MISSING, *(canonical_label(token) for token in missing_values)}
    return {str(name): _read_column(str(name), frame[name], missing) for name in frame.columns}


def canonical_label(value: object) -> str:
    """Returns the canonical text of one value: 1, 1.0, "1" and " 1.00 " are all "1".

    Example:
        >>> canonical_label(3.0), canonical_label("3"), canonical_label(True)
        ('3', '3', 'True')
    """
    return _canonical(value)[0]


def spellings(label: str, number: float) -> tuple[str, ...]:
    """The label of a cell, and what its number is called in another precision.

    A column of single precision is often widened on its way, and .1 is then .10000000149011612.

    Example:
        >>> spellings("0.10000000149011612", float(np.float32(0.1)))
        ('0.10000000149011612', '0.1')
        >>> spellings("0.1", 0.1), spellings("007", 7.0)
        (('0.1',), ('007',))
    """
    with np.errstate(over="ignore"):
        single = np.float32(number)
    if float(single) != number:  # as NaN
        return (label,)
    names = {repr(float(number)), canonical_label(single)}
    return (label, *sorted(names - {label})) if label in names else (label,)


def _read_column(name: str, series: pd.Series[Any], missing: set[str]) -> Cells:
    try:
        codes, values = _distinct(series)
        pairs = [_canonical(value) for value in values]
    except (TypeError, ValueError, ArithmeticError, NotImplementedError) as error:
        # Arithmetic: a signalling NaN; not implemented: Python's dates end with the year 9999
        raise TableError(
            f"column {name!r} holds values that are neither text, numbers, truth values nor dates "
            f"({error}): convert or drop it"
        ) from error
    texts = np.array([label for label, _ in pairs], dtype=object)
    numbers = np.array([number for _, number in pairs], dtype=np.float64)
    merged, labels = pd.factorize(texts)  # "1" and "1.0" are one label
    first = np.zeros(len(labels), dtype=np.int64)
    first[merged[::-1]] = np.arange(len(merged))[::-1]
    absent = np.array([label in missing for label in labels], dtype=bool)
    renumbered = np.where(absent, -1, np.cumsum(~absent) - 1)
    lookup = np.append(renumbered[merged], -1)  # the last entry serves code -1
    keep = ~absent
    return Cells(
        name=name,
        codes=lookup[codes].astype(np.int64),
        labels=np.asarray(labels, dtype=object)[keep],
        numbers=numbers[first][keep] + 0.0,  # + 0.0 turns -0.0 into 0.0
        levels=_levels(series),
    )


def _distinct(series: pd.Series[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Returns codes (-1 for missing) and the distinct values as Python objects."""
    if series.dtype != object or pd.api.types.infer_dtype(series, skipna=True) == "string":
        codes, values = pd.factorize(series)
        return codes.astype(np.int64), _objects(values, series.dtype)
    # Mixed objects: pandas would take True, 1 and 1.0 for one value.
    index: dict[tuple[type, Any], int] = {}

    def code(value: Any) -> int:
        if value is None or value is pd.NA or value != value:  # NaN, NaT
            return -1
        return index.setdefault((type(value), value), len(index))

    codes = np.array([code(value) for value in series], dtype=np.int64)
    return codes, [value for _, value in index]


def _objects(values: Any, dtype: Any) -> list[Any]:
    """Values of a column as Python objects; numbers of single precision stay what they are."""
    own = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
    plain = getattr(own, "numpy_dtype", own)
    if plain in (np.float32, np.float16):
        return list(np.asarray(values, dtype=plain))
    return list(values.tolist())


def _levels(series: pd.Series[Any]) -> tuple[str, ...]:
    if isinstance(series.dtype, pd.CategoricalDtype) and series.dtype.ordered:
        levels = _objects(series.dtype.categories, series.dtype)
        return tuple(dict.fromkeys(map(canonical_label, levels)))
    return ()


@singledispatch
def _canonical(value: object) -> tuple[str, float]:
    """Returns label and number (NaN if it is none) of one value that is not missing."""
    raise TypeError(f"{type(value).__name__} {str(value)[:40]!r}")


@_canonical.register
def _(value: str) -> tuple[str, float]:
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return (text.capitalize() if text.lower() in ("true", "false") else text), np.nan
    number = float(text)
    if _LEADING_ZERO.match(text):  # a code such as a postal code: 007 is not 7
        return text, number
    if not _INTEGER.fullmatch(text):
        return _canonical(number)
    # Beyond the largest float a whole number stays a label of its own, and Python's int is slow.
    return text.removeprefix("+") if isinf(number) else str(int(text)), number


@_canonical.register(bool)
@_canonical.register(np.bool_)
def _(value: bool) -> tuple[str, float]:
    return str(bool(value)), np.nan


@_canonical.register(Integral)
def _(value: int) -> tuple[str, float]:
    label = str(int(value))
    return label, float(label)  # float(value) would raise beyond the largest float


@_canonical.register(Real)
@_canonical.register(Decimal)
def _(value: float) -> tuple[str, float]:
    number = float(value)
    if isinf(number) or abs(number) >= _EXACT or number != int(number):
        return repr(number), number
    return str(int(number)), number


@_canonical.register(np.float32)
@_canonical.register(np.float16)
def _(value: np.floating[Any]) -> tuple[str, float]:
    number = float(value)
    # A fraction is called what it is called in double precision: .1, not .10000000149011612.
    whole = isinf(number) or number == int(number)
    return _canonical(number if whole else float(str(value)))[0], number


@_canonical.register
def _(value: datetime) -> tuple[str, float]:
    plain = value.tzinfo is None and value.time() == time()
    return (value.date() if plain else value).isoformat(), np.nan


@_canonical.register
def _(value: date) -> tuple[str, float]:
    return value.isoformat(), np.nan
