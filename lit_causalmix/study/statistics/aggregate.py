"""Scores per domain and overall: median, mean, spread and share of tables improved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from lit_causalmix.study.statistics.bootstrap import Bootstrap, Floats
from lit_causalmix.study.statistics.means import student_interval
from lit_causalmix.study.statistics.records import tidy

OVERALL = "all tables"
"""Domain of the rows that take every table together."""


def _median(means: Floats) -> Floats:
    return np.asarray(np.median(means, axis=-1))


def _interquartile_range(means: Floats) -> Floats:
    quarters = np.quantile(means, [0.25, 0.75], axis=-1)
    return np.asarray(quarters[1] - quarters[0])


def _improved(means: Floats) -> Floats:
    return np.asarray((means > 0).mean(axis=-1))


STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "median": _median,
    "iqr": _interquartile_range,
    "improved": _improved,
}
"""Statistic with a bootstrap interval → function of table means (..., T)."""


def aggregate(
    records: pd.DataFrame,
    score: str,
    *,
    by: Sequence[str] = ("method",),
    bootstrap: Bootstrap = Bootstrap(),  # noqa: B008  # frozen
) -> pd.DataFrame:
    """Summarises a normalised score over tables, each table by its mean over seeds.

    Every table weighs alike, whatever its number of runs. `improved` is the share of tables whose
    mean is above 0.

    Args:
        records: See `records.tidy`.
        score: Column of a normalised score, in percent of zero-shot.
        by: Columns that make a group, for example ["method", "size"].
        bootstrap: How intervals other than the mean's are made; its level goes for all.

    Returns:
        One row per domain and group, `OVERALL` first: domain, the columns of `by`, n_tables,
        n_runs, the mean and each of `STATISTICS` with `_low` and `_high`: Student's interval for
        the mean, the bootstrap's for the others. The bounds are NaN with fewer than two tables.

    Raises:
        ConfigurationError: See `records.tidy`.
    """
    rows = []
    for domain, part in by_domain(tidy(records, score, by).frame):
        for key, group in part.groupby(list(by), dropna=False, sort=True):
            tables = scores_by_table(group)
            row: dict[str, object] = {"domain": domain, **dict(zip(by, key, strict=True))}
            row |= {"n_tables": len(tables), "n_runs": len(group)}
            means = np.array([scores.mean() for scores in tables])
            found = {"mean": student_interval(means, bootstrap.level)}
            found |= {n: bootstrap.estimate(tables, s) for n, s in STATISTICS.items()}
            for name, estimate in found.items():
                row[name] = estimate.value
                row[f"{name}_low"], row[f"{name}_high"] = estimate.low, estimate.high
            rows.append(row)
    return pd.DataFrame(rows)


def by_domain(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yields `OVERALL` with all rows, then each domain with its own."""
    yield OVERALL, frame
    for domain, part in frame.groupby("domain", sort=True):
        yield str(domain), part


def table_means(
    frame: pd.DataFrame, column: str, by: Sequence[str] = ("method",)
) -> pd.Series[float]:
    """The mean of a column over the runs of each table: a table counts once, whatever its seeds.

    Args:
        frame: One row per run: the columns table, those of `by`, and the one to average.
        column: Its name; missing values are left out.
        by: What tells the groups of one table apart.

    Returns:
        float64, indexed by `by` and table, sorted; NaN where a group has no value.
    """
    means: pd.Series[float] = frame.groupby([*by, "table"], dropna=False, sort=True)[column].mean()
    return means


def scores_by_table(frame: pd.DataFrame, column: str = "score") -> list[Floats]:
    """The values of a column, one float64 array per table, in the order of the tables' names."""
    groups = frame.groupby("table", sort=True)[column]
    return [np.asarray(values, dtype=np.float64) for _, values in groups]
