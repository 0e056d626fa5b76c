"""New rows as the members of a kept model code them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.model.member import Member, features_of
from lit_causalmix.tables.coding import code_columns
from lit_causalmix.tables.new_rows import read_new_cells
from lit_causalmix.tables.spec import TableSpec

Source = str | os.PathLike[str] | pd.DataFrame
REMEDY = "correct it, or leave the cell empty if its value is missing"
"""What a cell that is no number calls for; how the table was read was settled by the fit."""

Coded = list[NDArray[np.float64]]  # rows (n, C + 1) as each member codes them


def coded_rows(members: Sequence[Member], rows: Source, spec: TableSpec) -> Coded:
    """Reads and checks rows once, and codes them for each member.

    A warning names categories that no member was trained with, each column once: a member of folds
    lacks those of its validation rows, of which the others know.

    Args:
        members: One or more.
        rows: A path or a frame.
        spec: How the training table was read.

    Raises:
        TableError: If a column is missing, or a cell does not fit its column.
    """
    whole = replace(members[0].schema, features=features_of(members))
    cells, _ = read_new_cells(rows, whole, spec)
    code = partial(code_columns, cells=cells, remedy=REMEDY)
    schemas = dict.fromkeys(member.schema for member in members)
    if len(schemas) > 1:
        code(whole)
    tells = len(schemas) == 1
    coded = {schema: code(schema, tells_unseen=tells) for schema in schemas}
    return [coded[member.schema] for member in members]
