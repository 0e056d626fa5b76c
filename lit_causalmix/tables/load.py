"""From a source to coded splits."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables.cells import Cells, read_cells
from lit_causalmix.tables.coding import code_column, code_columns
from lit_causalmix.tables.folds import Fold, in_fold
from lit_causalmix.tables.identity import (
    TEST,
    TRAIN,
    UNUSED,
    VAL,
    Hashes,
    TableIdentity,
    order_like,
    row_digests,
)
from lit_causalmix.tables.in_time import rows_by_time, times_of
from lit_causalmix.tables.infer import check_varying, infer_schema, listed, no_column
from lit_causalmix.tables.predefined import predefined_rows
from lit_causalmix.tables.schema import Column, ColumnKind, TaskType
from lit_causalmix.tables.sources import RawTable, read_source
from lit_causalmix.tables.spec import SplitSpec, TableSpec
from lit_causalmix.tables.splits import (
    SplitRows,
    choose_rows,
    identical_rows,
    joined_blocks,
    limit_rows,
    target_strata,
)
from lit_causalmix.tables.table import Table, TableSplits
from lit_causalmix.tables.task import LEAST_CLASS_ROWS, check_classes, infer_task


def load_splits(
    table: TableSpec,
    split: SplitSpec,
    like: TableIdentity | None = None,
    fold: Fold | None = None,
) -> TableSplits:
    """Reads a table, chooses its splits, and codes them by what the training rows show.

    Rows without a target are left out with a warning. The splits are chosen first; kinds,
    categories and which columns are usable come from the training rows alone. The one thing read
    off all labelled rows is the task, as stratification needs it (with a predefined split it is
    read off the training rows).

    Args:
        table: Source and column overrides.
        split: Seed, fractions and limits.
        like: A table that was split before. If the source holds the same rows in another order,
            they are put in that one's, so that each falls into the same part again.
        fold: Which of K folds validates: the rows that train and validate without it, after
            all limits, are cut anew. None is one split.

    Returns:
        Coded splits; `rows` are positions in the source, ascending.

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
        if fold is not None:
            raise TableError(
                "folds mix times, which time_column keeps apart: leave out one of them"
            )
        times = times_of(moments.take(labelled), table, labelled)
        chosen = rows_by_time(times, twins, labelled, split)
        if task.is_classification:
            check_classes(cells[target].take(chosen.train), "in training")
    if chosen is None:
        strata = _strata(cells[target], task, labelled)
        chosen = choose_rows(strata, twins, labelled, split, classes=task.is_classification)
    chosen = _limited(chosen, cells[target], labelled, split, task)
    if fold is not None:
        chosen = _folded(chosen, cells[target], twins, labelled, split, task, fold)
    splits = _coded(raw, table, cells, chosen, labelled, target, task)
    return replace(splits, identity=_identity(splits, digests, split))


def _identity(splits: TableSplits, digests: Hashes, split: SplitSpec) -> TableIdentity:
    parts = np.full(len(digests), UNUSED, dtype=np.int8)
    for number, part in ((TRAIN, splits.train), (VAL, splits.val), (TEST, splits.test)):
        parts[part.rows] = number
    return TableIdentity(splits.train.name, digests, parts, splits.train.schema, split)


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


def _strata(target: Cells, task: TaskType, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if task.is_classification:
        return target.codes
    return target_strata(code_column(Column(target.name, ColumnKind.NUMERICAL), target, rows))


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
        strata = _strata(target.take(part), task, positions[part])
        return part[limit_rows(strata, keys[part], most, LEAST_CLASS_ROWS)]

    return SplitRows(
        train=picked(chosen.train, split.max_train_rows),
        val=picked(chosen.val, split.max_val_rows),
        test=picked(chosen.test, split.max_test_rows),
    )


def _folded(
    chosen: SplitRows,
    target: Cells,
    blocks: NDArray[np.int64],
    positions: NDArray[np.int64],
    split: SplitSpec,
    task: TaskType,
    fold: Fold,
) -> SplitRows:
    rows = np.concatenate([chosen.train, chosen.val])
    strata = _strata(target.take(rows), task, positions[rows])
    keys = rng(split.seed, "folds").random(int(positions.max()) + 1)[positions]
    classes = target if task.is_classification else None
    return in_fold(chosen, strata, blocks, keys, fold, classes)


def _coded(
    raw: RawTable,
    spec: TableSpec,
    cells: dict[str, Cells],
    chosen: SplitRows,
    positions: NDArray[np.int64],
    target: str,
    task: TaskType,
) -> TableSplits:
    training = {name: column.take(chosen.train) for name, column in cells.items()}
    schema = infer_schema(training, target, task, spec)
    used = np.concatenate([chosen.train, chosen.val, chosen.test])
    used_cells = {column.name: cells[column.name].take(used) for column in schema.columns}
    values = code_columns(schema, used_cells, positions[used])
    whole = Table(raw.name, raw.domain, schema, values, positions[used])
    ends = np.cumsum([len(chosen.train), len(chosen.val), len(chosen.test)])
    _check_target(whole, ends)
    train, val, test = (whole.take(part) for part in np.split(np.arange(len(used)), ends[:2]))
    return TableSplits(train, val, test, left_out=tuple(sorted(cells.keys() - used_cells.keys())))


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
