"""Many fits in a row, or beside each other in threads, without a line of chatter each."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock, get_ident
from typing import Any, TextIO

from lit_causalmix.quiet import WarningCollector

_CHATTER = ("lightning.pytorch", "lightning.fabric")

Caught = list[warnings.WarningMessage]


@dataclass(eq=False)
class _User:
    """One entry of `quietly`."""

    thread: int
    caught: Caught | None


# Loggers and the filters of warnings are the process's, so threads share one silence: the first
# one in begins it, and the last one out restores what it found.
_lock = RLock()
_users: list[_User] = []
_heard: list[int] = []
_undo = ExitStack()


@contextmanager
def quietly(caught: Caught | None = None) -> Iterator[list[str]]:
    """Keeps Lightning and warnings silent, and gathers our own warnings instead of showing them.

    They would tear the progress bar of a thousand cells apart; a cell keeps them in its record.
    Threads may be in it at once: each gathers its own, and what comes from a thread that is not in
    it goes to all.

    Args:
        caught: Takes the warnings of the module `warnings`; without it they are lost.

    Yields:
        What the loggers of this package warn of, as it comes.
    """
    notes: list[str] = []
    user, own = _User(get_ident(), caught), logging.getLogger("lit_causalmix")
    handler = WarningCollector(notes)
    handler.addFilter(lambda record: user.thread == record.thread or not _within(record.thread))
    with _lock:
        if not _users:
            _begin(own)
        _users.append(user)
        own.addHandler(handler)
    try:
        yield notes
    finally:
        with _lock:
            own.removeHandler(handler)
            _users.remove(user)
            if not _users:
                _undo.close()


@contextmanager
def heard() -> Iterator[None]:
    """Lets the warnings of this thread be shown while others are in `quietly`."""
    thread = get_ident()
    _heard.append(thread)
    try:
        yield
    finally:
        _heard.remove(thread)


def _within(thread: int | None) -> list[_User]:
    """The entries of a thread, the innermost last."""
    return [user for user in tuple(_users) if user.thread == thread]


def _begin(own: logging.Logger) -> None:
    _undo.callback(setattr, own, "propagate", own.propagate)
    own.propagate = False
    for logger in map(logging.getLogger, _CHATTER):
        _undo.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR)
    show, filters = warnings.showwarning, list(warnings.filters)
    _undo.enter_context(warnings.catch_warnings())

    def passed_on(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        thread = get_ident()
        if thread in _heard or not _users:
            if not _ignored(message, category, filters):
                show(message, category, filename, lineno, file, line)
            return
        for user in _within(thread)[-1:] or tuple(_users):
            if user.caught is not None:
                text = warnings.WarningMessage(message, category, filename, lineno, file, line)
                user.caught.append(text)

    warnings.simplefilter("always")  # one thread's fit must not hide a warning from another's
    warnings.showwarning = passed_on


def _ignored(
    message: Warning | str, category: type[Warning], filters: Sequence[tuple[Any, ...]]
) -> bool:
    """Whether filters for all modules ignore a warning."""
    for action, text, kind, module, line in filters:
        fits = issubclass(category, kind) and (text is None or text.match(str(message)))
        if fits and module is None and not line:
            return bool(action == "ignore")
    return False
