"""New rows, for prediction, in the columns of a training table."""

from __future__ import annotations

import warnings
from dataclasses import replace
from os import PathLike

import numpy as np
import pandas as pd

from lit_causalmix.errors import TableError, shortened
from lit_causalmix.tables.cells import Cells, read_cells
from lit_causalmix.tables.coding import code_columns
from lit_causalmix.tables.infer import listed
from lit_causalmix.tables.scaling import LARGEST
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.sources import read_source
from lit_causalmix.tables.spec import TableSpec
from lit_causalmix.tables.table import Table


def load_rows(source: str | PathLike[str] | pd.DataFrame, like: Table, spec: TableSpec) -> Table:
    """Reads new rows for prediction, in the columns of a training table.

    Args:
        source: As `TableSpec.source`.
        like: The training table.
        spec: What was said of the training table; its `missing_values` apply.

    Returns:
        All rows in their order, `rows` = 0 to n - 1. Columns are matched by name. The target is
        NaN where it is absent, missing, no number in regression, or a class unseen in training.

    Raises:
        TableError: If a feature column is absent or a cell does not fit its column.
    """
    cells, n = read_new_cells(source, like.schema, spec, with_target=True)
    target = cells.get(like.schema.target.name)
    if target is not None and like.schema.target.is_numerical:
        cells[target.name] = _numbers_alone(target)
    rows = np.arange(n)
    return replace(like, values=code_columns(like.schema, cells, rows), rows=rows)


def read_new_cells(
    source: str | PathLike[str] | pd.DataFrame,
    schema: Schema,
    spec: TableSpec,
    *,
    with_target: bool = False,
) -> tuple[dict[str, Cells], int]:
    """Reads the cells of new rows, before they are coded, and how many rows there are.

    Arguments and errors are those of `load_rows`; a warning names columns that are not used. Unless
    asked for, a target is not looked at: predictions do not read it, whatever stands there.
    """
    one_column = len(schema.features) == 1
    raw = read_source(replace(spec, source=source, max_rows=None), one_column=one_column)
    known = [column.name for column in schema.columns]
    set_aside = {*spec.drop, spec.group_column, spec.split_column, spec.time_column}
    extra = [name for name in raw.frame.columns if name not in {*known, *set_aside}]
    if extra:
        message = shortened(f"columns that training did not use: {listed(extra)}")
        warnings.warn(message, stacklevel=2)
    read = known if with_target else [column.name for column in schema.features]
    present = [name for name in read if name in raw.frame.columns]
    if not len(raw.frame):
        raise TableError("the table to predict has no rows")
    return read_cells(raw.frame[present], spec.missing_values), len(raw.frame)


def _numbers_alone(cells: Cells) -> Cells:
    """The cells with a gap wherever a numerical column cannot have the value."""
    fits = np.append(np.abs(cells.numbers) <= LARGEST, False)  # the last entry serves code -1
    return replace(cells, codes=np.where(fits[cells.codes], cells.codes, -1))
