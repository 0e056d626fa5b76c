"""Dates in text cells, as days since 1970-01-01 (UTC where a cell carries a time zone)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
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


def days(label: str, date_format: str) -> float:
    """Returns days since 1970-01-01, or NaN where the text is no date of that format.

    ISO 8601 is read whatever the format, as cells that a source types as dates arrive in it.
    """
    moment = _parse(label, date_format) or _parse(label, ISO)
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
        matching = [form for form in matching if _parse(label, form) is not None]
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
    if not 8 <= len(label) <= 40:
        return None
    try:
        if date_format == ISO:
            return datetime.fromisoformat(label)
        return datetime.strptime(label, date_format)
    except ValueError:
        return None
