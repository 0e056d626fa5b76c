"""From a source to coded splits."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables.cells import Cells, read_cells
from lit_causalmix.tables.folds import Fold
from lit_causalmix.tables.identity import TableIdentity, order_like, row_digests
from lit_causalmix.tables.in_time import rows_by_time, times_of
from lit_causalmix.tables.infer import check_varying, listed, no_column
from lit_causalmix.tables.labelled import LabelledRows, strata_of
from lit_causalmix.tables.predefined import predefined_rows
from lit_causalmix.tables.schema import TaskType
from lit_causalmix.tables.sources import RawTable, read_source
from lit_causalmix.tables.spec import SplitSpec, TableSpec
from lit_causalmix.tables.splits import (
    SplitRows,
    choose_rows,
    identical_rows,
    joined_blocks,
    limit_rows,
)
from lit_causalmix.tables.table import TableSplits
from lit_causalmix.tables.task import LEAST_CLASS_ROWS, check_classes, infer_task


def load_splits(
    table: TableSpec,
    split: SplitSpec,
    like: TableIdentity | None = None,
    fold: Fold | None = None,
) -> TableSplits:
    """Reads a table, chooses its splits, and codes them by what the training rows show.

    Args:
        table: Source and column overrides.
        split: Seed, fractions and limits.
        like: A table that was split before, as `read_labelled` takes it.
        fold: Which of K folds validates: the rows that train and validate without it, after
            all limits, are cut anew. None is one split.

    Returns:
        Coded splits; `rows` are positions in the source, ascending.

    Raises:
        TableError: If the table cannot be used as it is, with the reason and what to do.
    """
    return read_labelled(table, split, like).splits(fold)


def read_labelled(
    table: TableSpec, split: SplitSpec, like: TableIdentity | None = None
) -> LabelledRows:
    """Reads a table and chooses its splits.

    Rows without a target are left out with a warning. The splits are chosen first; kinds,
    categories and which columns are usable come from the training rows alone, by
    `LabelledRows.splits`. The one thing read off all labelled rows is the task, as stratification
    needs it (with a predefined split it is read off the training rows).

    Args:
        table: Source and column overrides.
        split: Seed, fractions and limits.
        like: A table that was split before. If the source holds the same rows in another order,
            they are put in that one's, so that each falls into the same part again.

    Returns:
        The rows with a target, for one split or for each of K folds.

    Raises:
        TableError: If the table cannot be used as it is, with the reason and what to do.
    """
    raw = read_source(table)
    target = _target(raw)
    _check_names(table, raw)
    frame = raw.frame.drop(columns=table.drop)
    cells = read_cells(frame, table.missing_values)
    digests = row_digests(list(cells.values()))
    order = None if like is None else order_like(digests, like.rows)
    if order is not None:
        # Read again, not only put in order: some of what is read depends on which value is first.
        cells = read_cells(frame.iloc[order].reset_index(drop=True), table.missing_values)
        digests = digests[order]
    groups = cells.pop(table.group_column) if table.group_column else None
    parts = cells.pop(table.split_column) if table.split_column else None
    moments = cells.pop(table.time_column) if table.time_column else None
    labelled = _labelled(cells[target])
    cells = {name: column.take(labelled) for name, column in cells.items()}
    check_varying([column for name, column in cells.items() if name != target], "table")
    # By features alone: parting equal features by their targets would leave the context with the
    # opposite answer for a row of the test split.
    twins = identical_rows([column for name, column in cells.items() if name != target])
    if groups is not None:
        twins = joined_blocks(twins, groups.codes[labelled])
    if parts is not None:
        chosen = predefined_rows(parts.take(labelled), twins, labelled, groups is not None)
        fitted = chosen.train
    else:
        chosen, fitted = None, np.arange(len(labelled))
    task = infer_task(cells[target].take(fitted), table, labelled[fitted])
    if task.is_classification:
        check_classes(cells[target].take(fitted), "in training" if chosen else "in all")
    if moments is not None:
        times = times_of(moments.take(labelled), table, labelled)
        chosen = rows_by_time(times, twins, labelled, split)
        if task.is_classification:
            check_classes(cells[target].take(chosen.train), "in training")
    if chosen is None:
        strata = strata_of(cells[target], task, labelled)
        chosen = choose_rows(strata, twins, labelled, split, classes=task.is_classification)
    chosen = _limited(chosen, cells[target], labelled, split, task)
    return LabelledRows(
        raw.name,
        raw.domain,
        table,
        split,
        cells,
        target,
        task,
        positions=labelled,
        blocks=twins,
        chosen=chosen,
        digests=digests,
    )


def _target(raw: RawTable) -> str:
    names = list(raw.frame.columns)
    if raw.target is None:
        raise TableError(f"no target is set: name it in data.table.target, one of {listed(names)}")
    if raw.target not in names:
        raise no_column(raw.target, "target", names)
    if len(raw.frame) < 2:
        raise TableError(f"a table needs two or more rows, {raw.name!r} has {len(raw.frame)}")
    return raw.target


def _check_names(table: TableSpec, raw: RawTable) -> None:
    names: list[str] = list(raw.frame.columns)
    named: list[tuple[str, list[str | None]]] = [
        ("drop", [*table.drop]),
        ("kinds", [*table.kinds]),
        ("order", [*table.order]),
        ("group_column", [table.group_column]),
        ("split_column", [table.split_column]),
        ("time_column", [table.time_column]),
    ]
    for role, columns in named:
        for column in columns:
            if column is not None and column not in names:
                raise no_column(column, role, names)
    aside = {*table.drop, table.group_column, table.split_column, table.time_column}
    if raw.target in aside:
        raise TableError(f"the target {raw.target!r} is also dropped, or names groups or splits")
    if not set(names) - aside - {raw.target}:
        raise TableError(f"{raw.name!r} has no feature column besides the target {raw.target!r}")


def _labelled(target: Cells) -> NDArray[np.int64]:
    labelled = np.flatnonzero(~target.missing)
    unlabelled = len(target) - len(labelled)
    if len(labelled) < 2:
        raise TableError(
            f"the target {target.name!r} is known in {len(labelled)} of {len(target)} rows: two or "
            "more are needed"
        )
    if unlabelled:
        warnings.warn(
            f"{unlabelled} of {len(target)} rows have no target {target.name!r} and are left out",
            stacklevel=3,
        )
    return labelled


def _limited(
    chosen: SplitRows,
    target: Cells,
    positions: NDArray[np.int64],
    split: SplitSpec,
    task: TaskType,
) -> SplitRows:
    needed = LEAST_CLASS_ROWS * np.count_nonzero(target.take(chosen.train).counts)
    limit = split.max_train_rows
    if task.is_classification and limit is not None and limit < needed:
        raise TableError(
            f"max_train_rows is {limit}, but {needed // LEAST_CLASS_ROWS} classes with "
            f"{LEAST_CLASS_ROWS} rows each need {needed}: raise it"
        )
    keys = rng(split.seed, "limit").random(int(positions.max()) + 1)[positions]

    def picked(part: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
        if most is None or most >= len(part):
            return part
        # Strata of this part alone: quantiles of all rows would carry test targets into training.
        strata = strata_of(target.take(part), task, positions[part])
        return part[limit_rows(strata, keys[part], most, LEAST_CLASS_ROWS)]

    return SplitRows(
        train=picked(chosen.train, split.max_train_rows),
        val=picked(chosen.val, split.max_val_rows),
        test=picked(chosen.test, split.max_test_rows),
    )
