"""Numbers of NumPy's as Python's, as parsers and files that are read as plain data want them."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's, within dicts, lists and tuples too; all else is left as it is.

    Grids of settings have them, `numpy.logspace` say, and a checkpoint that holds one cannot be
    read without unpickling.

    Args:
        value: Anything; dicts, lists and tuples are copied, classes derived from them are not.

    Example:
        >>> plain(np.int64(3)), plain({"lr": [np.float64(0.5)]}), plain(None)
        (3, {'lr': [0.5]}, None)
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {plain(key): plain(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value
