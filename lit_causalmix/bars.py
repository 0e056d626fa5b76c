"""Progress of long work: a bar with the time left on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

from lit_causalmix.deadlines import check

ItemT = TypeVar("ItemT")

PLAIN_SECONDS = 30.0
"""Seconds between two lines about the same work where there is no terminal."""


def on_terminal() -> bool:
    """Whether what stderr shows can be drawn over: a terminal, or a notebook's cell.

    A terminal without a size, as containers and schedulers open them, is a log: tqdm would draw
    nothing there but empty lines.
    """
    if type(sys.stderr).__module__.startswith("ipykernel"):
        return True
    return sys.stderr.isatty() and _has_size()


def _has_size() -> bool:
    try:
        return min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except OSError:  # drawn by something else than the operating system
        return True


class Bar:
    """A bar on stderr with the time left; in a log file a line at the end, and every 30 s before.

    Args:
        total: How much there is to do; None where that is unknown.
        desc: What is done.
        initial: How much of it was done before.
        unit: One of what is counted.
        scaled: Whether numbers are shown as 1.2k or 3.4M.
        steady: Whether the time left is told by the mean speed so far, for pieces that differ much.
        disable: Shows nothing.

    Example:
        >>> with Bar(total=2, desc="work", disable=True) as bar:
        ...     bar.update()
        >>> bar.n
        1
    """

    def __init__(
        self,
        total: int | None,
        desc: str,
        *,
        initial: int = 0,
        unit: str = "it",
        scaled: bool = False,
        steady: bool = False,
        disable: bool = False,
    ) -> None:
        self.n = initial
        self._total, self._desc, self._initial = total, desc, initial
        self._number = tqdm.format_sizeof if scaled else "{:g}".format
        self._postfix = ""
        self._disable = disable
        self._began = self._written_at = time.monotonic()
        self._written = ""
        self._drawn: tqdm[Any] | None = None
        if on_terminal() and not disable:
            self._drawn = tqdm(
                total=total,
                desc=desc,
                initial=initial,
                unit=unit,
                unit_scale=scaled,
                dynamic_ncols=True,
                smoothing=0 if steady else 0.3,
            )

    def update(self, done: int = 1) -> None:
        """Counts what has been done since.

        Raises:
            OutOfTimeError: If a deadline is over; see `deadlines.until`.
        """
        check()
        self.n += done
        if self._drawn is not None:
            self._drawn.update(done)
        elif time.monotonic() - self._written_at >= PLAIN_SECONDS:
            self.write()

    def tell(self, postfix: str) -> None:
        """Says more behind the numbers, from now on."""
        self._postfix = postfix
        if self._drawn is not None:
            self._drawn.set_postfix_str(postfix, refresh=False)

    def redraw(self) -> None:
        """Draws the time anew on a terminal; a log would fill with lines that tell nothing new."""
        if self._drawn is not None:
            self._drawn.refresh()

    def write(self) -> None:
        """Writes a line into a log, unless it is the last one over again."""
        if self._drawn is not None or self._disable or self.n == self._initial:
            return
        facts = f"{self.n} {self._postfix}"
        if facts != self._written:
            self._written, self._written_at = facts, time.monotonic()
            sys.stderr.write(f"{self._line()}\n")
            sys.stderr.flush()

    def _line(self) -> str:
        spent = time.monotonic() - self._began
        done, left = self._number(self.n), ""
        if self._total:
            done = f"{done} of {self._number(self._total)}"
            rest = spent * (self._total - self.n) / (self.n - self._initial)
            left = f", {tqdm.format_interval(rest)} left" if rest > 0 else ""
        after = f", {self._postfix}" if self._postfix else ""
        return f"{self._desc}: {done} in {tqdm.format_interval(spent)}{left}{after}"

    def close(self) -> None:
        """Leaves the last state on the screen."""
        self.write()
        if self._drawn is not None:
            self._drawn.close()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def each(
    items: Iterable[ItemT], desc: str, *, total: int, disable: bool = False
) -> Iterator[ItemT]:
    """Goes through items behind a bar.

    Example:
        >>> list(each(range(2), "work", total=2, disable=True))
        [0, 1]
    """
    with Bar(total, desc, disable=disable) as bar:
        for item in items:
            yield item
            bar.update()
