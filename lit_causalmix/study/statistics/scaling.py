"""How a score moves with the amount of synthetic rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.aggregate import by_domain, scores_by_table
from lit_causalmix.study.statistics.effects import Effects
from lit_causalmix.study.statistics.means import student_interval
from lit_causalmix.study.statistics.records import Tidy, complete, tidy

Amount = Literal["size", "ratio", "epsilon"]
"""Synthetic rows as a multiple of the training rows, their share of an episode, or the step of an
attack on the test rows in standard deviations."""

FRESH = math.inf
"""Size of a run whose synthetic rows are drawn afresh for every step (`synthetic_size: null`)."""


@dataclass(frozen=True)
class ScalingCurve:
    """A score against the amount of synthetic rows.

    Attributes:
        frame: One row per domain, group and amount: domain, the columns of `by`, amount (`FRESH`
            for fresh rows), n_tables, mean, low, high. `OVERALL` comes first.
        amount: What is varied.
        score: Column of the score.
        notes: What was left out, each in a sentence.
    """

    frame: pd.DataFrame
    amount: Amount
    score: str
    notes: tuple[str, ...]


def scaling_curve(
    records: pd.DataFrame,
    score: str,
    amount: Amount,
    *,
    by: Sequence[str] = ("method",),
    level: float = 0.95,
) -> ScalingCurve:
    """The mean over tables at each amount, with Student's interval over tables.

    A curve is drawn over the same tables and seeds throughout: what lacks a point is left out and
    said. Intervals at two amounts share their tables, so they may overlap where the paired
    difference is clear: see `slope_effects`.

    Args:
        records: See `records.tidy`; a missing size means fresh rows.
        score: Column of a normalised score.
        amount: What is varied.
        by: Columns that make a curve.
        level: Confidence level.

    Raises:
        ConfigurationError: See `records.tidy` and `records.complete`.
    """
    data = tidy(_with_amounts(records, amount), score, [*by, amount])
    rows, notes = [], list(data.notes)
    parts = []
    for key, curve in data.frame.groupby(list(by), dropna=False, sort=True):
        whole = complete(Tidy(curve), [amount])
        name = ", ".join(str(value) for value in key)
        notes += [f"{name}: {note}" for note in whole.notes]
        parts.append(whole.frame)
    for domain, part in by_domain(pd.concat(parts)):
        for key, group in part.groupby([*by, amount], dropna=False, sort=True):
            means = np.array([scores.mean() for scores in scores_by_table(group)])
            estimate = student_interval(means, level)
            rows.append(
                {
                    "domain": domain,
                    **dict(zip(by, key, strict=False)),
                    "amount": group[amount].iloc[0],
                    "n_tables": len(means),
                    "mean": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                }
            )
    return ScalingCurve(pd.DataFrame(rows), amount, score, tuple(notes))


def slope_effects(records: pd.DataFrame, score: str, amount: Amount) -> Effects:
    """Slope of the score against the amount of synthetic rows, per table and seed.

    Least squares through the runs of one table and seed [our choice]: against log2(1 + size), that
    is per doubling of all rows, real and synthetic; or against the ratio, from none to all. Fresh
    rows have no size and are left out.

    Args:
        records: Runs of one method; see `records.tidy`.
        score: Column of a score where more is better.
        amount: What is varied.

    Raises:
        ConfigurationError: See `records.tidy` and `records.complete`; with fewer than two amounts.
    """
    data = tidy(_with_amounts(records, amount), score, [amount])
    frame, notes = data.frame, list(data.notes)
    fresh = frame[amount] == FRESH
    if fresh.any():
        notes.append(f"{int(fresh.sum())} runs on fresh rows have no size and are left out")
        frame = frame[~fresh]
    n_amounts = frame[amount].nunique()
    if n_amounts < 2:
        raise ConfigurationError(f"a slope needs two or more values of {amount}, got {n_amounts}")
    data = complete(Tidy(frame.reset_index(drop=True), tuple(notes)), [amount])
    wide = data.frame.pivot(index=["table", "domain", "seed"], columns=amount, values="score")
    x = wide.columns.to_numpy(dtype=np.float64)
    x = np.log2(1 + x) if amount == "size" else x
    x = x - x.mean()
    slopes = wide.to_numpy() @ x / np.square(x).sum()
    unit = "doubling of the rows" if amount == "size" else "step of the ratio from 0 to 1"
    effects = wide.index.to_frame(index=False).assign(effect=slopes)
    return Effects(effects, f"change per {unit}", data.notes)


def _with_amounts(records: pd.DataFrame, amount: Amount) -> pd.DataFrame:
    if amount not in records.columns:
        raise ConfigurationError(f"the records lack the column {amount}")
    values = pd.to_numeric(records[amount]).astype("float64")
    return records.assign(**{amount: values.fillna(FRESH) if amount == "size" else values})
