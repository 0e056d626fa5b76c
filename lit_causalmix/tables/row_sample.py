"""A random choice of a source's rows, where there are more than are wanted."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.seeding import rng


def sampled_rows(n: int, most: int) -> NDArray[np.int64]:
    """Positions of `most` of n rows, ascending.

    A function of both numbers; a smaller choice is a part of a larger one.

    Example:
        >>> small, large = sampled_rows(1000, 10), sampled_rows(1000, 50)
        >>> len(small), set(small) < set(large)
        (10, True)
        >>> sampled_rows(3, 5)
        array([0, 1, 2])
    """
    if n <= most:
        return np.arange(n)
    keys = rng(0, "max_rows").random(n)
    return np.sort(np.argpartition(keys, most)[:most])


def sampled(frame: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """The frame with at most so many of its rows; None keeps all. A warning says how many."""
    if most is None or len(frame) <= most:
        return frame
    say_sampled(len(frame), most)
    return frame.iloc[sampled_rows(len(frame), most)]


def say_sampled(n: int, most: int) -> None:
    """Warns that rows are left out."""
    warnings.warn(
        f"{most:,} of {n:,} rows are kept, at random (max_rows); rows are numbered among these",
        stacklevel=3,
    )
