"""Typed columns, and the coded matrix that every table, generator and encoder shares.

A *coded* matrix is float64 (n, C + 1): the features in schema order, then the target. A numerical
cell is its value, a categorical, boolean or ordinal cell the index of its category, a missing or
unseen one NaN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ColumnKind(StrEnum):
    """What the values of a column mean."""

    NUMERICAL = "numerical"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    ORDINAL = "ordinal"


class TaskType(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the target holds classes."""
        return self is not TaskType.REGRESSION


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: As in the source.
        kind: Numerical columns have no categories; every other kind has them.
        categories: The labels seen in the training split; their order defines the codes, and is
            the rank for an ordinal column.
        integer: Whether all training values of a numerical column are whole numbers.
        date_format: Set for a numerical column that holds dates as days since 1970-01-01: "iso",
            or the strptime format of its cells.
    """

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    integer: bool = False
    date_format: str = ""

    @property
    def is_numerical(self) -> bool:
        """Whether its cells are numbers; codes of categories otherwise."""
        return self.kind is ColumnKind.NUMERICAL


@dataclass(frozen=True)
class Schema:
    """The columns of a table, learned from its training split alone.

    Attributes:
        features: C feature columns, in source order.
        target: The target column; categorical kinds hold the class labels.
        task: What is predicted.
    """

    features: tuple[Column, ...]
    target: Column
    task: TaskType

    @property
    def columns(self) -> tuple[Column, ...]:
        """All C + 1 columns in the order of a coded matrix: features, then target."""
        return (*self.features, self.target)

    @property
    def n_classes(self) -> int:
        """Classes of the target; 0 for a regression."""
        return len(self.target.categories) if self.task.is_classification else 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schema:
        """The schema of what `to_dict` gave."""

        def column(c: dict[str, Any]) -> Column:
            return Column(
                c["name"],
                ColumnKind(c["kind"]),
                tuple(c["categories"]),
                bool(c["integer"]),
                c.get("date_format", ""),
            )

        return cls(
            tuple(column(c) for c in data["features"]),
            column(data["target"]),
            TaskType(data["task"]),
        )
