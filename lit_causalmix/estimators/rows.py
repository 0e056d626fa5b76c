"""From X and y, as scikit-learn has them, to a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, check_consistent_length

from lit_causalmix.errors import TableError
from lit_causalmix.tables.cells import read_cells
from lit_causalmix.tables.schema import ColumnKind
from lit_causalmix.tables.sources import plainly_named
from lit_causalmix.tables.spec import TableSpec

TARGET = "target"
GROUP = "group"


def as_frame(X: Any, *, least: int = 1) -> pd.DataFrame:
    """X as a frame with distinct text as column names; cells stay as they are.

    A DataFrame keeps its names but for spaces around them, as every table does; anything else (an
    array, nested lists) gets `x0`, `x1`, ….

    Args:
        X: (n, C).
        least: Fewest rows.

    Raises:
        ValueError: If it is not two-dimensional, too small, or complex, or names of columns are
            empty or the same.
        TypeError: If it is sparse.
    """
    if isinstance(X, pd.DataFrame):
        if X.shape[1] == 0 or len(X) < least:
            raise TableError(
                f"Found array with {len(X)} sample(s) and {X.shape[1]} feature(s) "
                f"(shape={X.shape}) while a minimum of {least} and 1 is required."
            )
        return plainly_named(X)
    values = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=least)
    names = [f"x{i}" for i in range(values.shape[1])]
    return pd.DataFrame(np.asarray(values), columns=names)


def told_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Kinds that a frame's own types tell: unordered categories, and dates.

    Example:
        >>> told_kinds(pd.DataFrame({"zip": pd.Categorical([1, 2]), "rooms": [3, 4]}))
        {'zip': 'categorical'}
    """
    kinds = {}
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype) and not dtype.ordered:
            kinds[str(name)] = str(ColumnKind.CATEGORICAL)
        elif pd.api.types.is_datetime64_any_dtype(dtype):
            kinds[str(name)] = "date"
    return kinds


def training_frame(
    X: pd.DataFrame, y: pd.Series[Any], groups: Sequence[Any] | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One frame with features, target and groups, and which column is what.

    Returns:
        The frame, and settings of `data.table`: `target`, `kinds` and, with groups, `group_column`.

    Raises:
        ValueError: If the lengths differ.
    """
    check_consistent_length(X, y, groups)
    target = _free(str(y.name) if y.name is not None else TARGET, X)
    table: dict[str, Any] = {"target": target, "kinds": told_kinds(X)}
    frame = X.assign(**{target: y.to_numpy()})
    if groups is not None:
        group = _free(GROUP, frame)
        table["group_column"] = group
        frame = frame.assign(**{group: np.asarray(groups)})
    return frame, table


def check_known(frame: pd.DataFrame, table: TableSpec) -> None:
    """Refuses a frame whose target holds what `missing_values` calls missing.

    Raises:
        TableError: With what it holds: such rows would be left out, and a class with them.
    """
    name = str(table.target)
    missing = read_cells(frame[[name]], table.missing_values)[name].missing
    if missing.any():
        held = ", ".join(map(repr, frame[name][missing].unique().tolist()[:3]))
        raise TableError(
            f"y holds {held} in {missing.sum()} row(s), which means missing by "
            f"data.table.missing_values {table.missing_values}: write it otherwise in y, or make "
            "the gaps of X empty cells"
        )


def _free(name: str, frame: pd.DataFrame) -> str:
    """The name, with underscores behind it while the frame has such a column."""
    while name in frame.columns:
        name += "_"
    return name


def labels_of(y: Any) -> NDArray[Any]:
    """Class labels as a flat array; pandas' own integers and truth values stay what they are.

    scikit-learn makes floats of them, as they may have gaps, which are left for it to refuse.

    Example:
        >>> labels_of(pd.Series([True, False], dtype="boolean"))
        array([ True, False])
    """
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    own = y.iloc[:, 0] if isinstance(y, pd.DataFrame) else y
    plain = getattr(getattr(own, "dtype", None), "numpy_dtype", None)
    if plain is None or plain.kind not in "biu" or pd.isna(labels).any():
        return labels
    return np.asarray(own.to_numpy(dtype=plain))


def numbers_of(y: Any) -> NDArray[np.float64]:
    """Numbers to predict as a flat array.

    Raises:
        TableError: If a row holds none, or one that is not finite, with the first such row.

    Example:
        >>> numbers_of(pd.Series([1, "2.5"], dtype=object))
        array([1. , 2.5])
    """
    given = column_or_1d(y, warn=True)
    # None, NaN and pandas' own gaps are told apart by their types alone, and mean the same.
    gaps = pd.isna(given)
    whole = np.where(gaps, np.nan, given) if given.dtype == object else given
    if whole.dtype.kind in "mM":  # NumPy would count its units of time
        raise TableError(f"y of a regressor holds numbers, and these are of type {whole.dtype}")
    try:
        numbers = np.asarray(whole, dtype=np.float64)
    except (TypeError, ValueError) as error:
        row = next(i for i, value in enumerate(whole) if not _is_number(value))
        raise TableError(
            f"y of a regressor holds numbers, but row {row} (counted from 0) holds "
            f"{whole.tolist()[row]!r}; a classifier takes labels of any kind"
        ) from error
    wrong = np.flatnonzero(gaps | ~np.isfinite(numbers))
    if len(wrong):
        row = wrong[0]
        # In the words of scikit-learn, whose checks look for them.
        is_gap = gaps[row] or np.isnan(numbers[row])
        what = "NaN" if is_gap else "infinity or a value too large for dtype('float64')"
        raise TableError(
            f"Input y contains {what}: {len(wrong)} of {len(numbers)} rows hold no finite number, "
            f"first row {row} (counted from 0), which holds {given.tolist()[row]!r}"
        )
    return numbers


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def name_of(y: Any) -> str | None:
    """The name of a Series, or of the column of a DataFrame; None where there is none."""
    name = y.columns[0] if isinstance(y, pd.DataFrame) else getattr(y, "name", None)
    return None if name is None else str(name).strip() or None
