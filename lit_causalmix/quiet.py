"""Keeps a library's use of global state from leaking out."""

from __future__ import annotations

import contextlib
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
