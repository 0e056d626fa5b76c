"""Labelled rows whose splits are chosen, coded as one split or as each of K folds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.coding import code_column, code_columns
from lit_causalmix.tables.folds import Fold, in_fold
from lit_causalmix.tables.identity import TEST, TRAIN, UNUSED, VAL, Hashes, TableIdentity
from lit_causalmix.tables.infer import infer_schema, listed
from lit_causalmix.tables.schema import Column, ColumnKind, TaskType
from lit_causalmix.tables.spec import SplitSpec, TableSpec
from lit_causalmix.tables.splits import SplitRows, target_strata
from lit_causalmix.tables.table import Table, TableSplits


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a table that have a target, and which of them train, validate and test.

    Attributes:
        name: Of the table.
        domain: Of the table.
        spec: How it was read.
        split: How it was split.
        cells: Of each column that is a feature or the target.
        target: Name of the target's column.
        task: What is predicted.
        positions: int64 (n,), positions in the source, ascending.
        blocks: int64 (n,), rows with the same number stay together.
        chosen: Which rows train, validate and test, after all limits.
        digests: Of all rows of the source.
    """

    name: str
    domain: str
    spec: TableSpec
    split: SplitSpec
    cells: dict[str, Cells]
    target: str
    task: TaskType
    positions: NDArray[np.int64]
    blocks: NDArray[np.int64]
    chosen: SplitRows
    digests: Hashes

    def splits(self, fold: Fold | None = None) -> TableSplits:
        """The splits, coded by what their training rows show.

        Args:
            fold: Which of K folds validates: the rows that train and validate without it are cut
                anew. None is one split.

        Raises:
            TableError: If they cannot be used, with the reason and what to do.
        """
        chosen = self.chosen if fold is None else self._folded(fold)
        training = {name: column.take(chosen.train) for name, column in self.cells.items()}
        schema = infer_schema(training, self.target, self.task, self.spec)
        used = np.concatenate([chosen.train, chosen.val, chosen.test])
        rows = self.positions[used]
        cells = {column.name: self.cells[column.name].take(used) for column in schema.columns}
        values = code_columns(schema, cells, rows)
        whole = Table(self.name, self.domain, schema, values, rows)
        ends = np.cumsum([len(chosen.train), len(chosen.val), len(chosen.test)])
        _check_target(whole, ends)
        train, val, test = (whole.take(part) for part in np.split(np.arange(len(used)), ends[:2]))
        left_out = tuple(sorted(self.cells.keys() - cells.keys()))
        return TableSplits(train, val, test, self._identity(train, val, test), left_out)

    def _folded(self, fold: Fold) -> SplitRows:
        if self.spec.time_column is not None:
            raise TableError(
                "folds mix times, which time_column keeps apart: leave out one of them"
            )
        rows = np.concatenate([self.chosen.train, self.chosen.val])
        target = self.cells[self.target]
        strata = strata_of(target.take(rows), self.task, self.positions[rows])
        keys = rng(self.split.seed, "folds").random(int(self.positions.max()) + 1)[self.positions]
        classes = target if self.task.is_classification else None
        return in_fold(self.chosen, strata, self.blocks, keys, fold, classes)

    def _identity(self, train: Table, val: Table, test: Table) -> TableIdentity:
        parts = np.full(len(self.digests), UNUSED, dtype=np.int8)
        for number, part in ((TRAIN, train), (VAL, val), (TEST, test)):
            parts[part.rows] = number
        return TableIdentity(self.name, self.digests, parts, train.schema, self.split)


def strata_of(target: Cells, task: TaskType, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class, or the quantile bin, of each cell of a target; `rows` are their positions."""
    if task.is_classification:
        return target.codes
    return target_strata(code_column(Column(target.name, ColumnKind.NUMERICAL), target, rows))


def _check_target(whole: Table, ends: NDArray[np.int64]) -> None:
    unknown = whole.rows[np.isnan(whole.target)]
    if len(unknown):
        raise TableError(
            f"row {unknown[0]} (counted from 0) has a class of the target "
            f"{whole.schema.target.name!r} that no training row has: split otherwise, or remove "
            "the row"
        )
    parts: dict[str, NDArray[Any]] = {
        "validation": whole.target[ends[0] : ends[1]],
        "test": whole.target[ends[1] :],
    }
    for name, codes in parts.items():
        absent = set(range(whole.schema.n_classes)) - set(codes)
        if len(codes) and absent:
            labels = [whole.schema.target.categories[code] for code in sorted(absent)]
            warnings.warn(f"the {name} split has no row of class {listed(labels)}", stacklevel=4)
