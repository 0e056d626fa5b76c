"""Column kinds and categories, inferred from training rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.tables import dates
from lit_causalmix.tables.cells import Cells, canonical_label
from lit_causalmix.tables.decimals import check_decimals
from lit_causalmix.tables.scaling import SMALLEST
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.spec import DATE, TableSpec

MOST_MIXED_NUMBERS = 20
"""A column of numbers and text is categorical up to this many distinct numbers [our choice]."""

_TRUTH_PAIRS = tuple(
    frozenset(pair.split()) for pair in ("0 1", "false true", "no yes", "n y", "f t", "off on")
)


def infer_schema(columns: dict[str, Cells], target: str, task: TaskType, spec: TableSpec) -> Schema:
    """Infers the schema of a table.

    Args:
        columns: Cells of the training rows: every feature candidate and the target, by name.
        target: Name of the target column.
        task: What is predicted.
        spec: Overrides of kinds and orders.

    Raises:
        TableError: If a column cannot be used as it is, or no feature varies.
    """
    features: list[Column] = []
    empty: list[str] = []
    mixed: list[str] = []
    check_varying([cells for name, cells in columns.items() if name != target], "training rows")
    for name, cells in columns.items():
        if name == target:
            continue
        present = np.flatnonzero(cells.counts)
        if len(present) == 0:
            empty.append(name)
            continue
        if name not in spec.kinds and _is_mixed(cells.numbers[present]):
            mixed.append(name)
        features.append(_infer_column(cells, present, spec))
    if empty:
        warnings.warn(f"left out, no cell in the training rows: {listed(empty)}", stacklevel=2)
    if mixed:
        warnings.warn(
            f"taken as categorical, they mix few numbers with text: {listed(mixed)} (see "
            "data.table.kinds and data.table.missing_values)",
            stacklevel=2,
        )
    return Schema(tuple(features), _target_column(columns[target], task, spec), task)


def check_varying(features: Sequence[Cells], where: str) -> None:
    """Refuses a table whose features are all constant or empty.

    Raises:
        TableError: If no feature column has two distinct values in the rows named by `where`.
    """
    if all(np.count_nonzero(cells.counts) < 2 for cells in features):
        raise TableError(
            f"none of the {len(features)} feature columns varies in the {where}: there is nothing "
            "to predict from"
        )


def _infer_column(cells: Cells, present: NDArray[np.int64], spec: TableSpec) -> Column:
    numbers = cells.numbers[present]
    kind = spec.kinds.get(cells.name)
    if kind is None and (cells.name in spec.order or cells.levels):
        kind = ColumnKind.ORDINAL
    kind = kind or _infer_kind(cells, present)
    if kind.startswith(DATE):
        return _date_column(cells, present, kind)
    if kind == ColumnKind.NUMERICAL:
        # Cells that are no finite numbers are refused, with their rows, when they are coded.
        known = numbers[np.isfinite(numbers)]
        return _numerical_column(cells.name, known)
    return _categorical_column(cells, present, ColumnKind(kind), spec)


def _numerical_column(name: str, known: NDArray[np.float64]) -> Column:
    largest = float(np.abs(known).max(initial=0.0))
    if 0 < largest < SMALLEST:
        raise TableError(
            f"the numbers of column {name!r} lie within ±{largest:.3g} in the training rows, and a "
            f"column needs one of {SMALLEST:g} or more: express it in a smaller unit"
        )
    return Column(name, ColumnKind.NUMERICAL, integer=bool((known == np.round(known)).all()))


def _infer_kind(cells: Cells, present: NDArray[np.int64]) -> str:
    labels, numbers = cells.labels[present], cells.numbers[present]
    if len(present) == 2 and {str(label).lower() for label in labels} in _TRUTH_PAIRS:
        return ColumnKind.BOOLEAN
    is_number = ~np.isnan(numbers)
    if is_number.all():
        return ColumnKind.NUMERICAL
    text = labels[~is_number]
    categorical = f"data.table.kinds to {{{cells.name}: categorical}}"
    check_decimals(text, f"column {cells.name!r}", categorical)
    if _is_mixed(numbers):
        if is_number.sum() > MOST_MIXED_NUMBERS:
            raise TableError(
                f"column {cells.name!r} mixes {is_number.sum()} different numbers with text such "
                f"as {', '.join(map(repr, text[:3]))}: add the text to data.table.missing_values "
                f"if it means missing, or set data.table.kinds to {{{cells.name}: categorical}}, "
                "or drop the column"
            )
        return ColumnKind.CATEGORICAL
    if dates.matching_formats(labels):
        raise TableError(
            f"column {cells.name!r} holds dates, for example {labels[0]!r}: set data.table.kinds "
            f"to {{{cells.name}: date}} to turn it into days since 1970-01-01, or name it in "
            "data.table.drop"
        )
    return ColumnKind.CATEGORICAL


def _is_mixed(numbers: NDArray[np.float64]) -> bool:
    text = np.isnan(numbers)
    return bool(text.any() and not text.all())


def _date_column(cells: Cells, present: NDArray[np.int64], kind: str) -> Column:
    date_format = kind.removeprefix(DATE).removeprefix(":")
    labels = cells.labels[present]
    date_format = date_format or dates.common_format(cells.name, labels.tolist())
    values = np.array([dates.days(label, date_format) for label in labels])
    integer = bool((values == np.round(values)).all())
    return Column(cells.name, ColumnKind.NUMERICAL, integer=integer, date_format=date_format)


def _categorical_column(
    cells: Cells, present: NDArray[np.int64], kind: ColumnKind, spec: TableSpec
) -> Column:
    name, labels, numbers = cells.name, cells.labels[present], cells.numbers[present]
    if len(present) > spec.max_categories:
        raise TableError(
            f"column {name!r} has {len(present)} categories in the training rows, more than "
            f"data.table.max_categories ({spec.max_categories}), for example "
            f"{', '.join(map(repr, labels[:3]))}: drop it, merge categories, or raise the limit"
        )
    if kind is ColumnKind.BOOLEAN and len(present) > 2:
        raise TableError(
            f"column {name!r} is set to boolean but has {len(present)} values: set it to "
            "categorical"
        )
    if kind is not ColumnKind.ORDINAL:
        return Column(name, kind, _sorted(labels, numbers))
    order = [canonical_label(level) for level in spec.order.get(name, cells.levels)]
    if not order:
        if np.isnan(numbers).any():
            raise TableError(
                f"column {name!r} is set to ordinal but its levels are text: give them, lowest "
                "first, in data.table.order"
            )
        return Column(name, kind, _sorted(labels, numbers))
    unknown = sorted(set(labels) - set(order))
    if unknown:
        raise TableError(
            f"column {name!r} holds {', '.join(map(repr, unknown[:3]))}, absent from its order "
            f"{order}: add the level(s), or name them in data.table.missing_values"
        )
    return Column(name, kind, tuple(level for level in order if level in set(labels)))


def _target_column(cells: Cells, task: TaskType, spec: TableSpec) -> Column:
    present = np.flatnonzero(cells.counts)
    if task is TaskType.REGRESSION:
        return _numerical_column(cells.name, cells.numbers[present])
    ordered = cells.name in spec.order or cells.levels
    truth = {str(label).lower() for label in cells.labels[present]} in _TRUTH_PAIRS
    kind = ColumnKind.BOOLEAN if truth else ColumnKind.CATEGORICAL
    return _categorical_column(cells, present, ColumnKind.ORDINAL if ordered else kind, spec)


def _sorted(labels: NDArray[np.object_], numbers: NDArray[np.float64]) -> tuple[str, ...]:
    """Sorts numbers by value, then text by code point; independent of the order of the rows."""
    keys = [
        (bool(np.isnan(n)), 0.0 if np.isnan(n) else float(n), str(x))
        for x, n in zip(labels, numbers, strict=True)
    ]
    return tuple(label for _, _, label in sorted(keys))


def listed(names: list[str]) -> str:
    """Quotes up to ten names for a message."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more


def no_column(name: str, role: str, names: list[str]) -> TableError:
    """Returns the error for a column that a setting names but the table lacks."""
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = (
        f"did you mean {', '.join(map(repr, near))}" if near else f"its columns are {listed(names)}"
    )
    return TableError(f"the table has no column {name!r}, named as {role}: {hint}")
