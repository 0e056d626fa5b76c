"""Where tables come from: files, data frames, tables inside installed packages, OpenML, and yours.

A source gives a raw frame whose cells are untouched; what they mean is decided later, from the
training rows alone.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import ClassVar

import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.tables.builtin import BUILTIN_TABLES
from lit_causalmix.tables.csv_file import read_csv
from lit_causalmix.tables.parquet_file import first_line, read_parquet, sample_parquet
from lit_causalmix.tables.row_sample import sampled
from lit_causalmix.tables.spec import UNLABELLED, TableSpec

FILES: dict[str, Callable[[Path, int], pd.DataFrame]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz"), read_csv),
    **dict.fromkeys((".parquet", ".pq"), read_parquet),
}
"""Readers of files by ending: each takes the path and the most bytes it may unfold to."""

SAMPLERS: dict[str, Callable[[Path, int, int], pd.DataFrame]] = dict.fromkeys(
    (".parquet", ".pq"), sample_parquet
)
"""Readers of files that need not be read whole for some of their rows, whose number comes last."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as its source gives it.

    Attributes:
        frame: Cells untouched, in the order of the source; column names are distinct text.
        name: Short name.
        domain: Domain label.
        target: Column to predict, None when neither the user nor the source names one.
    """

    frame: pd.DataFrame
    name: str
    domain: str = UNLABELLED
    target: str | None = None


class TableSource(ABC):
    """Reads the tables whose source is `prefix:WHAT`; a new source is one subclass.

    Defining a subclass registers its prefix. In a configuration it can go by its import path as
    well, which imports its module: `source: my_package.my_module.MySource:WHAT`.

    Attributes:
        prefix: What stands before the colon.
    """

    prefix: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not inspect.isabstract(cls):
            SOURCES[cls.prefix] = cls

    @abstractmethod
    def read(self, what: str) -> RawTable:
        """Reads the table that `WHAT` names.

        Raises:
            TableError: If there is none, or it cannot be read.
        """


SOURCES: dict[str, type[TableSource]] = {}
"""Sources by prefix."""


class OpenMLTables(TableSource):
    """Tables of openml.org by number, `openml:31`, kept in scikit-learn's data folder."""

    prefix = "openml"

    def read(self, what: str) -> RawTable:
        if not what.isdecimal():
            raise TableError(f"an OpenML table is openml:ID with a whole number, got {what!r}")
        from sklearn.datasets import fetch_openml

        try:
            bunch = fetch_openml(data_id=int(what), as_frame=True, parser="pandas")
        except (OSError, ValueError) as error:
            raise TableError(
                f"openml:{what} could not be fetched ({first_line(error)}): it needs a network, or "
                "an earlier download in scikit-learn's data folder; otherwise give a file"
            ) from error
        targets = list(bunch.target_names or [])
        target = targets[0] if len(targets) == 1 else None
        return RawTable(bunch.frame, f"openml_{what}", target=target)


def source_class(source: str) -> type[TableSource] | None:
    """The class that reads a source by its prefix, None where it has none that is known.

    Raises:
        TableError: If the prefix names a class that is no source of tables.

    Example:
        >>> source_class("openml:31").__name__
        'OpenMLTables'
        >>> source_class("houses.csv") is None
        True
    """
    prefix, colon, _ = source.partition(":")
    if not colon:
        return None
    parts = prefix.split(".")
    if prefix in SOURCES or len(parts) < 2 or not all(map(str.isidentifier, parts)):
        return SOURCES.get(prefix)
    try:
        found = getattr(import_module(".".join(parts[:-1])), parts[-1])
    except (ImportError, AttributeError) as error:
        raise TableError(f"the source {source!r} names no class {prefix}: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, TableSource)):
        raise TableError(f"the source {source!r} names {prefix}, which is no TableSource")
    return found


def read_source(spec: TableSpec, *, one_column: bool = False) -> RawTable:
    """Reads the raw frame of a table.

    Args:
        spec: Names the source.
        one_column: Whether a text file of one column is a table (`read_csv`).

    Raises:
        TableError: If the source does not exist, cannot be read, or has unusable column names.
    """
    if isinstance(spec.source, pd.DataFrame):
        raw = RawTable(spec.source, "frame")
    elif isinstance(spec.source, str | PathLike):
        raw = _read_named(fspath(spec.source), spec, one_column)
    else:
        raise TableError(
            "a table's source is a path, a built-in name, openml:ID or a pandas DataFrame, got "
            f"{type(spec.source).__name__} {str(spec.source)[:40]!r}"
        )
    return RawTable(
        frame=plainly_named(sampled(raw.frame, spec.max_rows)),
        name=_writable(spec.name or raw.name),
        domain=spec.domain if spec.domain != UNLABELLED else raw.domain,
        target=spec.target or raw.target,
    )


def _read_named(source: str, spec: TableSpec, one_column: bool) -> RawTable:
    if source in BUILTIN_TABLES:
        builtin = BUILTIN_TABLES[source]
        return RawTable(builtin.read(), source.rpartition(":")[2], builtin.domain, builtin.target)
    path = Path(source).expanduser()
    kind = None if is_file(path) else source_class(source)
    if kind is not None:
        return kind().read(source.partition(":")[2])
    return RawTable(_read_file(path, spec, one_column), path.name.partition(".")[0])


def _read_file(path: Path, spec: TableSpec, one_column: bool) -> pd.DataFrame:
    if not is_file(path):
        near = get_close_matches(str(path), BUILTIN_TABLES, n=3, cutoff=0.5)
        names = near or sorted(BUILTIN_TABLES)
        raise TableError(
            f"no table {str(path)!r}: not a file, nor one of the built-in tables; "
            f"{'did you mean' if near else 'these are'} {', '.join(names)}"
        )
    for ending, read in FILES.items():
        if not path.name.lower().endswith(ending):
            continue
        if spec.max_rows is not None and ending in SAMPLERS:
            return SAMPLERS[ending](path, spec.max_bytes, spec.max_rows)
        if read is read_csv:
            return read_csv(path, spec.max_bytes, one_column=one_column)
        return read(path, spec.max_bytes)
    raise TableError(
        f"{path} has none of the endings {', '.join(FILES)}: "
        "convert it, or pass it as a pandas DataFrame"
    )


def is_file(path: Path) -> bool:
    """Whether a file lies there; false also for what cannot be the name of one."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _writable(name: str) -> str:
    """The name with question marks for bytes of a file's name that are no text (PEP 383)."""
    return name.encode("utf-8", "replace").decode("utf-8")


def plainly_named(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the frame with text names, spaces around them left out, and a plain row index.

    Raises:
        TableError: If a column has no name, or two have the same.
    """
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
            "than once (spaces around a name do not count): rename or remove the repeated columns"
        )
    return frame.set_axis(names, axis=1).reset_index(drop=True)
