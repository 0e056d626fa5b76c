"""Between cells and coded matrices: `encode`, `decode`, and what both share."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.errors import TableError, shortened
from lit_causalmix.tables import dates
from lit_causalmix.tables.cells import Cells, read_cells, spellings
from lit_causalmix.tables.scaling import LARGEST
from lit_causalmix.tables.schema import Column, Schema

REMEDY = (
    "correct it, or add the text to data.table.missing_values, or set the column's kind in "
    "data.table.kinds"
)
"""What a cell that is no number calls for, where the settings of the table can be changed."""

_EXACT = 2.0**53  # beyond it a float64 no longer tells whole numbers apart


def encode(schema: Schema, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Codes a frame in the columns of a schema.

    Args:
        schema: Columns to code.
        frame: n rows with at least the feature columns, in any order.

    Returns:
        Coded matrix float64 (n, C + 1). Missing cells and categories that the schema does not
        have are NaN, as is the target where the frame lacks it.

    Raises:
        TableError: If a feature column is absent or a cell of a numerical column is not finite.
    """
    names = [column.name for column in schema.columns if column.name in frame.columns]
    return code_columns(schema, read_cells(frame[names]))


def decode(schema: Schema, values: NDArray[np.float64]) -> pd.DataFrame:
    """Turns a coded matrix into the original kinds of its columns; the inverse of `encode`.

    Args:
        schema: Columns of the matrix.
        values: Coded matrix float64 (n, C + 1).

    Returns:
        Frame of n rows: Int64 for whole-number columns (values are rounded), float64 for other
        numerical ones, datetime64[us] for dates (rounded to days where all training dates are
        days), labels as text (object) for the rest. Missing cells are NA, NaN, NaT and None.

    Raises:
        TableError: If the matrix does not have the schema's columns or a code is no category.
    """
    if values.ndim != 2 or values.shape[1] != len(schema.columns):
        raise TableError(
            f"a coded matrix of this schema has {len(schema.columns)} columns, got shape "
            f"{values.shape}"
        )
    return pd.DataFrame(
        {
            column.name: _decoded(column, values[:, position])
            for position, column in enumerate(schema.columns)
        }
    )


def code_columns(
    schema: Schema,
    cells: dict[str, Cells],
    rows: NDArray[np.int64] | None = None,
    *,
    tells_unseen: bool = True,
    remedy: str = REMEDY,
) -> NDArray[np.float64]:
    """Codes dictionary-encoded columns, float64 (n, C + 1); the target may be absent (NaN).

    Args:
        schema: Columns to code.
        cells: By column name, n cells each.
        rows: int64 (n,), positions in the source for messages; by default 0 to n - 1.
        tells_unseen: Whether it warns of categories that a column does not have.
        remedy: What is said of a cell that is no number.

    Raises:
        TableError: If a feature column is absent or a cell of a numerical column is not finite.
    """
    absent = [column.name for column in schema.features if column.name not in cells]
    if absent:
        raise TableError(
            f"{len(absent)} of {len(schema.features)} feature columns are absent: "
            f"{', '.join(map(repr, absent[:10]))}"
        )
    n = len(cells[schema.features[0].name])
    values = np.full((n, len(schema.columns)), np.nan)
    for position, column in enumerate(schema.columns):
        if column.name in cells:
            source = np.arange(n) if rows is None else rows
            values[:, position] = code_column(
                column, cells[column.name], source, tells_unseen=tells_unseen, remedy=remedy
            )
    return values


def code_column(
    column: Column,
    cells: Cells,
    rows: NDArray[np.int64],
    *,
    tells_unseen: bool = True,
    remedy: str = REMEDY,
) -> NDArray[np.float64]:
    """Codes one column, float64 (n,); warns of categories that the column does not have."""
    present = np.flatnonzero(cells.counts)
    lookup = np.full(len(cells.labels) + 1, np.nan)  # the last entry serves code -1
    if column.date_format:
        lookup[present] = [dates.days(cells.labels[i], column.date_format) for i in present]
    elif column.is_numerical:
        lookup[present] = cells.numbers[present]
    else:
        index = {label: float(code) for code, label in enumerate(column.categories)}
        for i in present:
            names = spellings(cells.labels[i], cells.numbers[i])
            lookup[i] = next((index[name] for name in names if name in index), np.nan)
    values = lookup[cells.codes]
    unfit = np.flatnonzero(~(np.abs(values) <= LARGEST) & ~cells.missing)  # also of NaN
    if len(unfit) and column.is_numerical:
        _refuse(column, cells, unfit, rows, remedy)
    elif len(unfit) and tells_unseen:
        _warn_unseen(column, cells, unfit, rows)
    return values


def _refuse(
    column: Column,
    cells: Cells,
    unfit: NDArray[np.int64],
    rows: NDArray[np.int64],
    remedy: str,
) -> None:
    labels = cells.labels[cells.codes[unfit]]
    numbers = np.abs(cells.numbers[cells.codes[unfit]])
    for beyond, found, way_out in (
        (np.isinf(numbers), "infinite value(s)", "replace them by finite numbers or empty cells"),
        (numbers > LARGEST, f"number(s) beyond ±{LARGEST:g}", "express it in a larger unit"),
    ):
        if beyond.any():
            places = ", ".join(str(row) for row in rows[unfit[beyond]][:5])
            raise TableError(
                f"column {column.name!r} holds {beyond.sum()} {found}, first in row(s) {places} "
                f"(counted from 0): {way_out}"
            )
    wanted = f"dates ({column.date_format})" if column.date_format else "numbers"
    more = f", and {len(unfit) - 1} more cell(s) do not fit" if len(unfit) > 1 else ""
    raise TableError(
        f"column {column.name!r} holds {wanted}, but row {rows[unfit[0]]} (counted from 0) holds "
        f"{labels[0]!r}{more}: {remedy}"
    )


def _warn_unseen(
    column: Column, cells: Cells, unfit: NDArray[np.int64], rows: NDArray[np.int64]
) -> None:
    labels = sorted(set(cells.labels[cells.codes[unfit]]))
    message = (
        f"column {column.name!r}: {len(unfit)} cell(s) hold categories unseen in training "
        f"({', '.join(map(repr, labels[:3]))}) and count as missing, first in row {rows[unfit[0]]}"
    )
    warnings.warn(shortened(message), stacklevel=2)  # a cell may be of any length


def _decoded(column: Column, values: NDArray[np.float64]) -> pd.Series[Any]:
    if column.date_format:
        return pd.Series(dates.to_datetimes(np.round(values) if column.integer else values))
    if column.is_numerical:
        series = pd.Series(values, dtype="float64")
        exact = bool((np.abs(values[~np.isnan(values)]) < _EXACT).all())
        return series.round().astype("Int64") if column.integer and exact else series
    missing, n = np.isnan(values), len(column.categories)
    if not np.isin(values[~missing], np.arange(n)).all():
        raise TableError(
            f"column {column.name!r} has {n} categories, so its codes are 0 to {n - 1}: got "
            f"{values[~missing].min():g} to {values[~missing].max():g}"
        )
    labels = np.array([*column.categories, None], dtype=object)
    return pd.Series(labels[np.where(missing, n, values).astype(np.int64)], dtype=object)
