"""Frames of other libraries, such as polars, as those of pandas."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from lit_causalmix.errors import TableError

_PROTOCOLS = ("__dataframe__", "__arrow_c_stream__")
"""What tells a frame from an array, which may offer `to_pandas` as well."""


def as_pandas(X: Any) -> Any:
    """X as a pandas DataFrame where it is a frame of another library, anything else as it is.

    A frame converts itself (`to_pandas`, which in polars needs pyarrow), or is read through the
    interchange protocol; read as an array it would lose names and types of its columns.

    Args:
        X: Anything.

    Raises:
        TableError: If a frame cannot be converted.
    """
    if isinstance(X, pd.DataFrame) or not any(hasattr(X, name) for name in _PROTOCOLS):
        return X
    try:
        found = _converted(X)
    except ImportError as error:
        raise TableError(
            f"X is a {type(X).__module__.partition('.')[0]} {type(X).__name__}, which becomes a "
            f"pandas DataFrame with pyarrow alone ({error}): install lit-causalmix[parquet], or "
            "pass a pandas DataFrame"
        ) from error
    return found if isinstance(found, pd.DataFrame) else X  # a column has these methods, too


def _converted(X: Any) -> Any:
    if hasattr(X, "to_pandas"):
        try:
            return X.to_pandas()
        except ImportError:
            if not hasattr(X, "__dataframe__"):
                raise
    return _interchanged(X) if hasattr(X, "__dataframe__") else X


def _interchanged(X: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        # pandas would have Arrow in its place, which needs pyarrow.
        warnings.filterwarnings("ignore", "The Dataframe Interchange Protocol", DeprecationWarning)
        return pd.api.interchange.from_dataframe(X)
