"""A coded table and its three splits."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.files.digests import array_bytes, of_parts
from lit_causalmix.tables.identity import TableIdentity
from lit_causalmix.tables.schema import Schema


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one table in coded form.

    Attributes:
        name: Short name, used in logs and file names.
        domain: Where the table comes from, for example "finance".
        schema: Columns and task.
        values: Coded matrix float64 (n, C + 1), target last (see `tables.schema`). The target
            column is NaN where it is unknown (prediction).
        rows: int64 (n,), position of each row in its source.
    """

    name: str
    domain: str
    schema: Schema
    values: NDArray[np.float64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def features(self) -> NDArray[np.float64]:
        """Coded features, float64 (n, C)."""
        return self.values[:, :-1]

    @property
    def target(self) -> NDArray[np.float64]:
        """Class indices or target values, float64 (n,)."""
        return self.values[:, -1]

    def take(self, index: NDArray[np.intp] | NDArray[np.int64]) -> Table:
        """The table of some of the rows, int64 (m,), in their order."""
        return replace(self, values=self.values[index], rows=self.rows[index])

    def fingerprint(self) -> str:
        """SHA-256 over schema and cell values: equal exactly when the content is equal."""
        schema = json.dumps(self.schema.to_dict(), sort_keys=True)
        return of_parts([schema, str(self.values.shape), array_bytes(self.values)])


@dataclass(frozen=True, eq=False)
class TableSplits:
    """Disjoint parts of one table; rows of equal features never straddle two of them.

    Attributes:
        train: What everything is learned from.
        val: What selects.
        test: What is scored in the end.
        identity: Which rows of which table they are; None for parts put together by hand.
        left_out: Feature columns without a cell in the training rows, which the schema lacks.
    """

    train: Table
    val: Table
    test: Table
    identity: TableIdentity | None = None
    left_out: tuple[str, ...] = ()


def class_counts(train: Table, *others: Table) -> list[tuple[str, list[int]]]:
    """Rows of each class in each of the parts; empty for regression."""
    schema = train.schema
    counts = [
        np.bincount(
            part.target[~np.isnan(part.target)].astype(np.int64), minlength=schema.n_classes
        )
        for part in (train, *others)
        if schema.n_classes
    ]
    return [
        (label, [int(part[k]) for part in counts])
        for k, label in enumerate(schema.target.categories[: schema.n_classes])
    ]
