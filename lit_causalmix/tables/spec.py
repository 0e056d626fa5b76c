"""What a user says about a table and about its split; both parse from YAML and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from lit_causalmix.episode import RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables.dates import is_format
from lit_causalmix.tables.schema import ColumnKind, TaskType

UNLABELLED = "unlabelled"
ORIGINS = tuple(origin.name.lower() for origin in RowOrigin)
"""Domains of single rows, beside which those of tables are scored."""

DATE = "date"
"""The kind of a column that is turned into days; `date:FORMAT` names its strptime format."""

MOST_BYTES = 256 * 2**20
"""Default of `TableSpec.max_bytes`: small tables are what this package is for [our choice]."""

_KINDS = (*(str(kind) for kind in ColumnKind), DATE)


@dataclass(frozen=True)
class TableSpec:
    """Where a table is, and what its columns mean where that cannot be read off the cells.

    Attributes:
        source: Path of a CSV (.csv, .tsv, also .gz) or Parquet file, the name of a built-in table
            such as german_credit or sklearn:wine, or openml:ID. In Python also a pandas DataFrame.
        target: Column to predict. Built-in tables know theirs.
        name: Short name for logs and file names. Default: from the source.
        domain: Where the table comes from, for example finance; not real, synthetic or perturbed,
            which single rows are. Built-in tables know theirs.
        kinds: Column kinds that overrule the inferred ones: numerical, categorical, boolean,
            ordinal, date (becomes days since 1970-01-01) or date:FORMAT with a strptime format.
        order: Levels of ordinal columns, lowest first. Giving an order makes a column ordinal.
        drop: Columns to leave out.
        missing_values: Cells that mean "missing" besides an empty cell, NA, N/A, NaN, null, NaT
            and #N/A; a question mark is a common one.
        task: binary, multiclass or regression. Default: inferred from the target.
        group_column: Rows that share this column's value never straddle two splits. Not a feature.
        split_column: Its cells (train, val, test) give the split. Not a feature.
        time_column: Numbers or dates; the latest rows are tested, those before them validate. Not
            a feature.
        max_categories: Most categories that one column may have.
        max_rows: Keep at most this many rows, chosen at random before anything else is done, the
            same each time; null keeps all. A Parquet file is then read row group by row group, so
            that the file may hold more than max_bytes.
        max_bytes: Most bytes that the file may hold, unpacked: text after decompression, Parquet
            decoded. As Python objects a table takes ten times as much memory, or more.

    Example:
        >>> TableSpec("houses.csv", target="price", kinds={"zip_code": "categorical"}).domain
        'unlabelled'
        >>> TableSpec("houses.csv", target="price", drop=["price"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        lit_causalmix.errors.ConfigurationError: column 'price' is named both as drop and as ...
    """

    source: str | Any
    target: str | None = None
    name: str | None = None
    domain: str = UNLABELLED
    kinds: dict[str, str] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    missing_values: list[str] = field(default_factory=list)
    task: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    time_column: str | None = None
    max_categories: int = 200
    max_rows: int | None = None
    max_bytes: int = MOST_BYTES

    def __post_init__(self) -> None:
        self._name_columns()
        if self.domain in ORIGINS:
            raise ConfigurationError(
                f"a table has a domain of its own: {', '.join(ORIGINS)} say where single rows come "
                f"from, got {self.domain!r}"
            )
        for column, kind in self.kinds.items():
            if kind not in _KINDS and not kind.startswith(f"{DATE}:"):
                raise ConfigurationError(
                    f"the kind of column {column!r} is one of {', '.join(_KINDS)} or date:FORMAT, "
                    f"got {kind!r}"
                )
            if kind.startswith(f"{DATE}:") and not is_format(kind.removeprefix(f"{DATE}:")):
                raise ConfigurationError(
                    f"the kind of column {column!r} is {kind!r}, which is no strptime format: "
                    "write one such as date:%d/%m/%Y"
                )
            if column in self.order and kind != ColumnKind.ORDINAL:
                raise ConfigurationError(
                    f"column {column!r} has an order, which makes it ordinal, but its kind is set "
                    f"to {kind!r}: remove one of the two"
                )
        for column, levels in self.order.items():
            if len(levels) < 2 or len(set(levels)) < len(levels):
                raise ConfigurationError(
                    f"the order of column {column!r} needs two or more different levels, "
                    f"got {levels}"
                )
        if self.task is not None and self.task not in tuple(TaskType):
            raise ConfigurationError(
                f"task is one of {', '.join(TaskType)}, got {self.task!r}; leave it out to infer it"
            )
        if self.max_categories < 2:
            raise ConfigurationError(f"max_categories is at least 2, got {self.max_categories}")
        if self.max_rows is not None and self.max_rows < 2:
            raise ConfigurationError(f"max_rows is null or at least 2, got {self.max_rows}")
        if self.max_bytes < 1:
            raise ConfigurationError(f"max_bytes is at least 1, got {self.max_bytes}")
        self._check_roles()

    def _name_columns(self) -> None:
        """Makes text of names that YAML reads as whole numbers, as those of every table are."""
        for setting in ("kinds", "order"):
            named = {
                column_name(column, setting): said
                for column, said in getattr(self, setting).items()
            }
            object.__setattr__(self, setting, named)
        object.__setattr__(self, "drop", [column_name(column, "drop") for column in self.drop])
        for role in ("target", "group_column", "split_column", "time_column"):
            column = getattr(self, role)
            object.__setattr__(self, role, None if column is None else column_name(column, role))

    def _check_roles(self) -> None:
        roles = {
            "target": self.target,
            "group_column": self.group_column,
            "split_column": self.split_column,
            "time_column": self.time_column,
        }
        others = [role for role in ("group_column", "split_column") if roles[role] is not None]
        if self.time_column is not None and others:
            raise ConfigurationError(
                f"time_column and {others[0]} contradict each other: a split follows one of them"
            )
        taken: dict[str, str] = dict.fromkeys(self.drop, "drop")
        for role, column in roles.items():
            if column is None:
                continue
            if column in taken:
                raise ConfigurationError(
                    f"column {column!r} is named both as {taken[column]} and as {role}: "
                    "it can have one role"
                )
            taken[column] = role


@dataclass(frozen=True)
class SplitSpec:
    """How the rows of a table are divided; the same seed and rows give the same split.

    Attributes:
        seed: Seed of the split, an integer >= 0.
        val_fraction: Share of validation rows among the rows that are not test rows, in [0, 1).
        test_fraction: Share of test rows among all rows, in [0, 1).
        max_train_rows: Keep at most this many training rows, stratified; a smaller limit keeps a
            subset of a larger one's rows.
        max_val_rows: As max_train_rows, for validation.
        max_test_rows: As max_train_rows, for testing.

    Example:
        >>> SplitSpec(max_train_rows=300).test_fraction
        0.25
    """

    seed: int = 0
    val_fraction: float = 0.2
    test_fraction: float = 0.25
    max_train_rows: int | None = None
    max_val_rows: int | None = None
    max_test_rows: int | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigurationError(f"the split's seed is an integer >= 0, got {self.seed}")
        for name in ("val_fraction", "test_fraction"):
            fraction = getattr(self, name)
            if not 0 <= fraction < 1:
                raise ConfigurationError(f"{name} lies in [0, 1), got {fraction}")
        for name, least in (("max_train_rows", 2), ("max_val_rows", 1), ("max_test_rows", 1)):
            limit = getattr(self, name)
            if limit is not None and limit < least:
                raise ConfigurationError(f"{name} is at least {least}, got {limit}")


def column_name(column: object, setting: str) -> str:
    """The name of a column as text: 2019 is "2019".

    Raises:
        ConfigurationError: If it is neither text nor a whole number, whose text is sure.
    """
    if isinstance(column, bool) or not isinstance(column, str | Integral):
        raise ConfigurationError(
            f"{setting} names the column {column!r}, read as {type(column).__name__}, and names of "
            "columns are text: quote it as the table has it"
        )
    return str(column)
