"""Tables: sources, typed columns, splits and encoding."""

from lit_causalmix.tables.builtin import BUILTIN_TABLES, BuiltinTable
from lit_causalmix.tables.coding import decode, encode
from lit_causalmix.tables.encoding import Encoder
from lit_causalmix.tables.folds import Fold
from lit_causalmix.tables.load import load_splits
from lit_causalmix.tables.new_rows import load_rows
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.sources import RawTable, TableSource
from lit_causalmix.tables.spec import SplitSpec, TableSpec
from lit_causalmix.tables.table import Table, TableSplits

__all__ = [
    "BUILTIN_TABLES",
    "BuiltinTable",
    "Column",
    "ColumnKind",
    "Encoder",
    "Fold",
    "RawTable",
    "Schema",
    "SplitSpec",
    "Table",
    "TableSource",
    "TableSpec",
    "TableSplits",
    "TaskType",
    "decode",
    "encode",
    "load_rows",
    "load_splits",
]
