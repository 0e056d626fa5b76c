"""The results of a study as its readers want them: by the labels of its plan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import specs
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.store import Store

_FACTS = (
    *("table", "domain", "task", "method", "backbone", "seed", "ratio", "size"),
    *("n_train", "n_columns", "n_classes", "best_step"),
)


def finished(store: Store, cells: Sequence[Cell] | None = None) -> list[Record]:
    """Records of finished cells.

    Args:
        store: The results.
        cells: A plan: its cells alone, under its labels. One fit may stand for several cells, a
            ratio of 0 and default fine-tuning, say. None takes everything in the store, under the
            labels that each cell was run by.

    Returns:
        Records (see `study.cell.run_cell`), in the plan's order.
    """
    if cells is None:
        return [record for record in store.records() if record["status"] == OK]
    found = {cell.key: store.get(cell.key) for cell in cells}
    return [
        record | cell.labels
        for cell in cells
        if (record := found[cell.key]) is not None and record["status"] == OK
    ]


def as_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Results as the statistics take them (`lit_causalmix.study.statistics`).

    Args:
        records: Of `finished`.

    Returns:
        One row per record: labels, domain, task, n_train, n_columns, n_classes, best_step, seconds
        (in all), and each score as "stage/domain/metric", with "_zero_shot" and "_normalized" after
        it; undefined ones are NaN. With `ScoreTrajectory` among the callbacks also the gap between
        validation and test scores, "gap/rank/metric" and "gap/selection/metric". "chosen" is the
        candidate that a comparison took, else None; "headline" is the normalised test score over
        the real rows by the first metric of the task: ROC-AUC or RMSE.
    """
    return pd.DataFrame([_row(record) for record in records])


def headline(task: str) -> str:
    """Name of the first metric of a task: binary, multiclass or regression."""
    return specs(task != "regression")[0].name


def _row(record: Record) -> dict[str, object]:
    row = {name: record[name] for name in _FACTS} | {
        "seconds": record["seconds"]["total"],
        "chosen": record.get("chosen"),
    }
    for part, ending in (
        ("scores", ""),
        ("zero_shot", "_zero_shot"),
        ("normalized", "_normalized"),
    ):
        for stage, scores in record[part].items():
            row |= {f"{stage}/{key}{ending}": number(value) for key, value in scores.items()}
    for metric, gaps in record.get("validation_test_gap", {}).items():
        row |= {f"gap/{kind}/{metric}": number(gap["value"]) for kind, gap in gaps.items()}
    row["headline"] = row.get(f"test/real/{headline(record['task'])}_normalized", math.nan)
    return row


def number(value: float | None) -> float:
    """A score of a record as a float: NaN where it is undefined."""
    return math.nan if value is None else float(value)


def selected(cells: Iterable[Cell], conditions: Sequence[str]) -> list[Cell]:
    """The cells that meet conditions such as "method=default,jitter" on their labels.

    Raises:
        ConfigurationError: If a condition is none, or no cell meets it.
    """
    chosen = list(cells)
    for condition in conditions:
        name, equals, wanted = condition.partition("=")
        if chosen and (not equals or name not in chosen[0].labels):
            raise ConfigurationError(
                f"--only takes LABEL=VALUE,... with a label of {', '.join(chosen[0].labels)}, got "
                f"{condition!r}"
            )
        known = dict.fromkeys(str(cell.labels[name]) for cell in chosen)
        values = wanted.split(",")
        unknown = [value for value in values if value not in known]
        if unknown:
            raise ConfigurationError(
                f"--only {condition}: no cell has {name} {', '.join(unknown)}; there are "
                f"{', '.join(known)}"
            )
        chosen = [cell for cell in chosen if str(cell.labels[name]) in values]
    return chosen
