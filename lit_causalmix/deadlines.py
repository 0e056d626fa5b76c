"""A moment by which long work has to end, asked for at every piece of work that has a bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_moment: ContextVar[float | None] = ContextVar("moment", default=None)


class OutOfTimeError(Exception):
    """The moment is over; whoever set it decides what becomes of the work."""


@contextmanager
def until(moment: float | None) -> Iterator[None]:
    """Lets the block raise `OutOfTimeError` soon after a moment; in this thread alone.

    What does not ask (`check`) is not ended: one call of a library, or work in other processes.
    Within another block the earlier of the two moments holds.

    Args:
        moment: Of `time.monotonic()`; None sets no end of its own.

    Example:
        >>> with until(time.monotonic() - 1):
        ...     check()
        Traceback (most recent call last):
            ...
        lit_causalmix.deadlines.OutOfTimeError
    """
    moments = [m for m in (moment, _moment.get()) if m is not None]
    token = _moment.set(min(moments, default=None))
    try:
        yield
    finally:
        _moment.reset(token)


def check() -> None:
    """Ends the work if its time is up.

    Raises:
        OutOfTimeError: If it is.
    """
    moment = _moment.get()
    if moment is not None and time.monotonic() > moment:
        raise OutOfTimeError
