"""Keeps a library's use of global state from leaking out."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from threading import RLock
from typing import Any

import numpy as np

_numpys = RLock()


@contextlib.contextmanager
def quiet_dowhy(seed: int) -> Iterator[None]:
    """Seeds numpy's global generator for DoWhy, which knows no other, and restores it after.

    DoWhy's progress bars are off meanwhile, and as before afterwards. One thread at a time is in
    it: two would draw from each other's numbers.
    """
    from dowhy.gcm import config

    with _numpys:
        state, bars = np.random.get_state(), config.show_progress_bars  # noqa: NPY002 - see above
        np.random.seed(seed)  # noqa: NPY002
        config.show_progress_bars = False
        try:
            yield
        finally:
            config.show_progress_bars = bars
            np.random.set_state(state)  # noqa: NPY002


class WarningCollector(logging.Handler):
    """Gathers warnings and errors of loggers as texts.

    Args:
        notes: Takes them.
    """

    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.append(record.getMessage())


@contextlib.contextmanager
def noting_warnings(notes: list[str]) -> Iterator[None]:
    """Gathers the warnings that are shown, ours by logging and everyone's by `warnings`.

    Args:
        notes: Takes them, each as it comes.
    """
    own, handler = logging.getLogger("lit_causalmix"), WarningCollector(notes)
    own.addHandler(handler)
    try:
        with warnings.catch_warnings():
            show = warnings.showwarning

            def noted(message: Warning | str, *args: Any, **kwargs: Any) -> None:
                notes.append(str(message))
                show(message, *args, **kwargs)

            warnings.showwarning = noted
            yield
    finally:
        own.removeHandler(handler)


@contextlib.contextmanager
def gathered_warnings() -> Iterator[list[str]]:
    """Gathers `UserWarning`s in place of showing them.

    Yields:
        Their texts, each once, filled in at the end.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    texts = (str(w.message) for w in caught if issubclass(w.category, UserWarning))
    notes += dict.fromkeys(texts)


_TIPS = ("pytorch.utilities.rank_zero", "fabric.utilities.rank_zero", "fabric.utilities.seed")


@contextlib.contextmanager
def without_tips() -> Iterator[None]:
    """Keeps Lightning's hardware lines, tips and echoes to itself; its warnings are shown."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in _TIPS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec")  # its own
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Keeps BLAS and OpenMP to one thread.

    Discovery and mechanisms make many calls on few rows, where threads only wait for each other:
    on busy cores that takes 5 to 30 times longer.
    """
    # Only libraries that are loaded by now can be limited, so they are loaded first.
    import scipy.linalg  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
