"""What a report is made from: the cells of a study, read and put in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.metrics.gap import selection_gap
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.identity import content_hash
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.reselection import reselected
from lit_causalmix.study.results import as_frame, headline, number
from lit_causalmix.study.transfer import read_records

LABELS = ["table", "method", "backbone", "seed", "ratio", "size"]
"""What tells the cells of one study apart."""

_PARTS = ("prepare", "train", "evaluate", "processor", "processor_fit", "generator")


@dataclass(frozen=True, eq=False)
class Study:
    """The cells of a study.

    Attributes:
        name: For titles.
        records: Of finished cells.
        failed: Records of failed cells.
        frame: One row per finished cell, in the order of `records`: see `results.as_frame`;
            besides gap_rank and gap_selection (`metrics.gap`, of the first metric of the task),
            key, last and perfect (score of the last and of the best checkpoint, by the test rows),
            seconds_prepare and other seconds_ (see `run_cell`), and training, which is equal where
            cells differ in nothing but their table, seed and synthetic rows.
        planned: Cells of the plan; None where no plan is known.
        min_gain: Of `reselected`, where the weights were selected anew; None where not.
    """

    name: str
    records: Sequence[Record]
    failed: Sequence[Record]
    frame: pd.DataFrame
    planned: int | None
    min_gain: float | None = None


def read_study_results(
    source: Path,
    name: str,
    plan: Sequence[Cell] | None = None,
    *,
    min_gain: float | None = None,
) -> Study:
    """Reads the cells of a study.

    Args:
        source: Folder of a store, or a file of `study export`.
        name: For titles.
        plan: Takes the cells of this plan alone, under its labels; None takes all that there are,
            under the labels that each was run by.
        min_gain: Selects the weights of every cell anew (`study.reselection`); None leaves them.

    Raises:
        ConfigurationError: If the source is neither, holds no cell, finished cells agree in all
            labels, or weights are to be selected anew and a cell has no trajectory.
    """
    if not source.exists():
        raise ConfigurationError(f"no results at {source}: a folder of study run, or a file of it")
    return study_of(list(read_records(source)), source, name, plan, min_gain=min_gain)


def study_of(
    records: Sequence[Record],
    source: Path,
    name: str,
    plan: Sequence[Cell] | None = None,
    *,
    min_gain: float | None = None,
) -> Study:
    """`read_study_results` of records that were read from the source already."""
    found = {record["key"]: record for record in records}
    if plan is not None:
        records = [found[cell.key] | cell.labels for cell in plan if cell.key in found]
    if not records:
        raise ConfigurationError(
            f"of the {len(found)} cells in {source} none is of this study: lit-causalmix study run"
        )
    records = sorted(records, key=_place)
    finished = [record for record in records if record["status"] == OK]
    _check_different(finished, source)
    if min_gain is not None:
        finished = reselected(finished, min_gain)
    return Study(
        name,
        finished,
        [record for record in records if record["status"] != OK],
        _frame(finished),
        None if plan is None else len(plan),
        min_gain,
    )


def _place(record: Record) -> tuple[Any, ...]:
    size = record["size"]
    return (
        *(record[name] for name in ("backbone", "table", "method", "seed", "ratio")),
        math.inf if size is None else size,
        record["key"],
    )


def _check_different(finished: Iterable[Record], source: Path) -> None:
    seen: set[tuple[Any, ...]] = set()
    for record in finished:
        labels = tuple(record[name] for name in LABELS)
        if labels in seen:
            told = ", ".join(f"{k} {v!r}" for k, v in zip(LABELS, labels, strict=True))
            raise ConfigurationError(
                f"{source} holds several results with {told}, made with different settings: name "
                "the study that is meant by --config"
            )
        seen.add(labels)


def _frame(finished: Sequence[Record]) -> pd.DataFrame:
    if not finished:
        return pd.DataFrame(columns=[*LABELS, "domain", "task", "seconds"])
    added = pd.DataFrame([_added(record) for record in finished])
    return pd.concat([as_frame(finished), added], axis=1)


def _added(record: Record) -> dict[str, object]:
    metric = headline(record["task"])
    rank = record.get("validation_test_gap", {}).get(metric, {}).get("rank", {}).get("value")
    val, test = (
        Score(number(record["normalized"].get(stage, {}).get(f"real/{metric}")))
        for stage in ("val", "test")
    )
    along = [number(p["test"].get(metric)) for p in record.get("trajectory", ())]
    return {
        "key": record["key"],
        "last": along[-1] if along else math.nan,
        "perfect": max(along, default=math.nan),
        "gap_rank": number(rank),
        "gap_selection": selection_gap(val, test).value,
        **{f"seconds_{part}": number(record["seconds"].get(part)) for part in _PARTS},
        "training": content_hash(without_rows(record["config"])),
    }


def context_rule(config: Mapping[str, Any]) -> str:
    """The context at test, "both" or "train"; results that say nothing of it are of the latter."""
    return str(config["data"].get("context", "train"))


def without_rows(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without its table, its seed and its synthetic rows."""
    data = {
        name: value
        for name, value in ({"context": context_rule(config)} | config["data"]).items()
        if not name.startswith("synthetic_")
        and name not in ("table", "generator", "seed", "split", "cache_dir")
    }
    split = {k: v for k, v in (config["data"].get("split") or {}).items() if k != "seed"}
    return {**config, "data": data | {"split": split}}
