"""What every statistic starts from: one row per run of a study, and one of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lit_causalmix.errors import ConfigurationError

_CELL = ("table", "seed")
_CONDITIONS = ("method", "backbone", "size", "ratio")


@dataclass(frozen=True)
class Tidy:
    """The rows that a statistic is computed from.

    Attributes:
        frame: Columns table, domain, seed, those asked for, and score (float64, finite); one row
            for each combination of table, seed and the columns asked for.
        notes: What was left out, each in a sentence.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def tidy(records: pd.DataFrame, score: str, by: Sequence[str]) -> Tidy:
    """Picks one score out of a study's records, and refuses what would be ambiguous.

    Args:
        records: One row per run: columns table, domain, seed, those of `by`, and the score. A
            missing value in a column of `by` is a value like any other (size: fresh rows).
        score: Column of the score, for example "test/real/roc_auc_normalized".
        by: Columns that tell the runs of one table and seed apart, for example ["method"].

    Raises:
        ConfigurationError: If a column is missing, no run has the score, a table has two domains,
            or two runs of a table and seed agree in `by`.
    """
    needed = dict.fromkeys([*_CELL, "domain", *by, score])
    missing = [name for name in needed if name not in records.columns]
    if missing:
        raise ConfigurationError(
            f"the records lack the column {', '.join(missing)}: there are "
            f"{', '.join(map(str, records.columns))}"
        )
    frame = records[list(needed)].rename(columns={score: "score"})
    frame = frame.assign(score=pd.to_numeric(frame["score"]).astype("float64"))
    defined = frame["score"].abs() < float("inf")  # False for NaN, too
    if not defined.any():
        raise ConfigurationError(f"none of the {len(frame)} runs has a value of {score!r}")
    notes: tuple[str, ...] = ()
    if not defined.all():
        notes = (f"{int((~defined).sum())} of {len(frame)} runs have no {score} and are left out",)
    frame = frame[defined].reset_index(drop=True)
    _check_unique(records, frame, by)
    domains = frame.groupby("table")["domain"].nunique()
    if (domains > 1).any():
        raise ConfigurationError(
            f"the table {domains.idxmax()!r} stands in {domains.max()} domains: give it one"
        )
    return Tidy(frame, notes)


def _check_unique(records: pd.DataFrame, frame: pd.DataFrame, by: Sequence[str]) -> None:
    keys = [*_CELL, *(name for name in by if name not in _CELL)]
    repeated = frame.duplicated(keys)
    if not repeated.any():
        return
    values = frame.loc[repeated, keys].iloc[0]
    first = ", ".join(f"{key} {values[key]!r}" for key in keys)
    open_ones = [c for c in _CONDITIONS if c not in by and c in records.columns]
    raise ConfigurationError(
        f"several runs have {first}: keep one value of {', '.join(open_ones) or 'each setting'}, "
        "or tell them apart in `by`"
    )


def complete(data: Tidy, by: Sequence[str]) -> Tidy:
    """Keeps the tables and seeds that every combination of `by` has a score for.

    Methods are then compared on the very same runs. What is dropped is said in the notes: first
    seeds, then tables of which no seed is left.

    Args:
        data: Of `tidy`.
        by: The columns whose combinations have to be complete.

    Raises:
        ConfigurationError: If nothing is left.
    """
    frame = data.frame
    conditions = len(frame.drop_duplicates(list(by)))
    sizes = frame.groupby(list(_CELL), dropna=False)["score"].transform("size")
    kept = frame[sizes == conditions]
    if kept.empty:
        raise ConfigurationError(
            f"no table has a seed with all {conditions} values of {', '.join(by)}: run the missing "
            "cells, or leave some out"
        )
    notes = list(data.notes)
    lost = sorted(set(frame["table"]) - set(kept["table"]))
    if lost:
        notes.append(
            f"{len(lost)} of {frame['table'].nunique()} tables lack a run and are left out: "
            f"{', '.join(lost)}"
        )
    cut = frame[frame["table"].isin(kept["table"]) & (sizes != conditions)]
    if len(cut):
        pairs, of = (len(f.drop_duplicates(list(_CELL))) for f in (cut, frame))
        tables = ", ".join(sorted(set(cut["table"])))
        notes.append(
            f"{pairs} of {of} pairs of table and seed lack a run and are left out: {tables}"
        )
    return Tidy(kept.reset_index(drop=True), tuple(notes))
