"""What is predicted, read off the target column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.decimals import check_decimals
from lit_causalmix.tables.schema import ColumnKind, TaskType
from lit_causalmix.tables.spec import DATE, TableSpec

MOST_INFERRED_CLASSES = 10
"""Whole-number targets with more values than this are taken for regression [our choice]."""

LEAST_CLASS_ROWS = 2
"""Training rows that each class needs: one for the context and one for the query."""


def infer_task(target: Cells, spec: TableSpec, rows: NDArray[np.int64]) -> TaskType:
    """Infers the task, or checks the one that the user set.

    Text and truth values are classes. Of numbers, two distinct values are two classes, and whole
    numbers that run from 0 or 1 without a gap, up to 10 of them, are classes too (both
    [our choice]); all else is regression.

    Args:
        target: Target cells of the labelled rows.
        spec: Overrides in `task`, `kinds` and `order`.
        rows: int64 (n,), positions of the rows in the source, for messages.

    Raises:
        TableError: If the target is empty, constant, or does not suit the task.
    """
    present = np.flatnonzero(target.counts)
    labels, numbers = target.labels[present], target.numbers[present]
    name, setting = target.name, "set data.table.task to binary, multiclass or regression"
    if len(present) < 2:
        found = f"only the value {labels[0]!r}" if len(present) else "no value at all"
        raise TableError(f"the target {name!r} is constant, it has {found}: choose another target")
    text = labels[np.isnan(numbers)]
    if spec.task in (None, TaskType.REGRESSION) and name not in {*spec.kinds, *spec.order}:
        check_decimals(text, f"the target {name!r}", "data.table.task to multiclass")
    task = TaskType(spec.task) if spec.task else _inferred(target, spec)
    if task is TaskType.REGRESSION:
        if len(text):
            row = rows[np.isin(target.codes, present[np.isnan(numbers)])][0]
            raise TableError(
                f"regression needs numbers, but the target {name!r} holds {len(text)} text "
                f"value(s) such as {text[0]!r}, first in row {row} (counted from 0): {setting}, or "
                "add the text to data.table.missing_values"
            )
        return task
    if 0 < len(text) < len(present) and len(present) - len(text) > MOST_INFERRED_CLASSES:
        raise TableError(
            f"the target {name!r} mixes numbers with text such as {text[0]!r}: add the text to "
            "data.table.missing_values if it means that the value is unknown"
        )
    if len(present) > spec.max_categories:
        raise TableError(
            f"the target {name!r} has {len(present)} classes, more than data.table.max_categories "
            f"({spec.max_categories}), for example {', '.join(map(repr, labels[:3]))}: choose "
            f"another target, or {setting}"
        )
    if task is TaskType.BINARY and len(present) != 2:
        raise TableError(
            f"a binary target has 2 classes, {name!r} has {len(present)}: set data.table.task to "
            "multiclass"
        )
    return task


def _inferred(target: Cells, spec: TableSpec) -> TaskType:
    present = np.flatnonzero(target.counts)
    numbers = target.numbers[present]
    kind = spec.kinds.get(target.name)
    if kind is not None and kind.startswith(DATE):
        raise TableError(f"the target {target.name!r} cannot be a date: choose another target")
    if kind == ColumnKind.NUMERICAL:
        return TaskType.REGRESSION
    if len(present) == 2:
        return TaskType.BINARY
    classes = kind is not None or target.name in spec.order or bool(np.isnan(numbers).any())
    return TaskType.MULTICLASS if classes or _counts_up(numbers) else TaskType.REGRESSION


def _counts_up(numbers: NDArray[np.float64]) -> bool:
    ordered = np.sort(numbers)
    return (
        len(ordered) <= MOST_INFERRED_CLASSES
        and ordered[0] in (0, 1)
        and bool((np.diff(ordered) == 1).all())
    )


def check_classes(target: Cells, where: str) -> None:
    """Refuses a class that has too few rows to be learned from.

    Args:
        target: Target cells.
        where: Which rows these are, for the message.

    Raises:
        TableError: Naming the class and its count.
    """
    counts = target.counts
    for code in np.flatnonzero((counts > 0) & (counts < LEAST_CLASS_ROWS)):
        raise TableError(
            f"class {target.labels[code]!r} of the target {target.name!r} has {counts[code]} row "
            f"{where}, each class needs {LEAST_CLASS_ROWS} (one for the context, one for the "
            "query): remove the row, or merge the class into another"
        )
