"""Dates in text cells, as days since 1970-01-01 (UTC where a cell carries a time zone)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError

ISO = "iso"
_EPOCH = datetime(1970, 1, 1)
_DAYS = ("%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y")
_LONG_DAYS = ("%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S")
FORMATS = (ISO, *(day + clock for day, clock in product((*_DAYS, *_LONG_DAYS), _TIMES)))
"""Formats that are recognised without being named."""

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def days(label: str, date_format: str) -> float:
    """Returns days since 1970-01-01, or NaN where the text is no date of that format.

    ISO 8601 is read whatever the format, as cells that a source types as dates arrive in it.

    Example:
        >>> days("1970-02", "%Y-%m"), days("1971", "%Y"), days("02011970", "%d%m%Y")
        (31.0, 365.0, 1.0)
        >>> days("2011970", "%d%m%Y")  # a number has lost its zero, which began day or month
        nan
    """
    moment = _parse(label, date_format) if _is_whole(label, date_format) else None
    moment = moment or _parse_iso(label)
    if moment is None:
        return np.nan
    # Not astimezone: in UTC the moment may lie before year 1 or after year 9999.
    since = moment.replace(tzinfo=None) - _EPOCH - (moment.utcoffset() or timedelta())
    return since / timedelta(days=1)


def matching_formats(labels: Iterable[str]) -> list[str]:
    """Returns the formats of `FORMATS` that read every label; [] where the labels are no dates."""
    matching = list(FORMATS)
    seen = False
    for label in labels:
        seen = True
        usual = matching if _has_usual_length(label) else []
        matching = [form for form in usual if _parse(label, form) is not None]
        if not matching:
            break
    return matching if seen else []


def common_format(name: str, labels: Sequence[str]) -> str:
    """The one format of `FORMATS` that reads every label of a column.

    Raises:
        TableError: If there is none, or several, such as day and month in either order.
    """
    formats = matching_formats(labels)
    if len(formats) != 1:
        found = f"fits {' and '.join(formats)}" if formats else "has no common format"
        raise TableError(
            f"column {name!r}, for example {labels[0]!r}, {found}: name the format as in "
            f"data.table.kinds: {{{name}: 'date:%d/%m/%Y'}}"
        )
    return formats[0]


def is_format(date_format: str) -> bool:
    """Whether `strptime` takes a format: one that it writes it also reads."""
    moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        datetime.strptime(moment.strftime(date_format), date_format)
    except (ValueError, re.error):  # re: a directive that occurs twice
        return False
    return True


def to_datetimes(values: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """Turns days into datetime64[us], NaN into NaT; years outside 1 to 9999 are clipped."""
    clipped = np.clip(values, (datetime.min - _EPOCH).days, (datetime.max - _EPOCH).days)
    known = ~np.isnan(clipped)
    moments = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[us]")
    microseconds = np.round(clipped[known] * 86_400e6).astype(np.int64)
    moments[known] = microseconds.astype("datetime64[us]")
    return moments


def _parse(label: str, date_format: str) -> datetime | None:
    if date_format == ISO:
        return _parse_iso(label)
    try:
        return datetime.strptime(label, date_format)
    except ValueError:
        return None


def _parse_iso(label: str) -> datetime | None:
    try:
        return datetime.fromisoformat(label) if _has_usual_length(label) else None
    except ValueError:
        return None


def _has_usual_length(label: str) -> bool:
    """Whether a text has the length of a date whose format nobody has named."""
    return 8 <= len(label) <= 40


def _is_whole(label: str, date_format: str) -> bool:
    """Whether no zero is lost: 7 January as 701, or October as 2010.1, reads as another date.

    Fractions of a second have as many digits as they like.
    """
    if date_format == ISO or "%f" in date_format or not _NUMBER.fullmatch(label):
        return True
    return len(label) == _width(date_format)


@lru_cache(maxsize=64)
def _width(date_format: str) -> int:
    """Characters of a date whose fields have all their digits."""
    return len(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(date_format))
