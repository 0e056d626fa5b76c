"""Keeps a library's use of global state from leaking out."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def quiet_dowhy(seed: int) -> Iterator[None]:
    """Seeds numpy's global generator for DoWhy, which knows no other, and restores it after.

    DoWhy's progress bars are off meanwhile, and as before afterwards.
    """
    from dowhy.gcm import config

    state, bars = np.random.get_state(), config.show_progress_bars  # noqa: NPY002 - see above
    np.random.seed(seed)  # noqa: NPY002
    config.show_progress_bars = False
    try:
        yield
    finally:
        config.show_progress_bars = bars
        np.random.set_state(state)  # noqa: NPY002


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
