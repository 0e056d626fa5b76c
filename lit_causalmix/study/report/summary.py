"""One row per method, as numbers and as a reader takes them in: every comparison starts here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.report.words import interval, plain, signed
from lit_causalmix.study.statistics import OVERALL, Ranking, aggregate, rank_methods, table_means

WORSE = -0.1
"""Percent of zero-shot below which a table counts as made worse [our choice]."""

GAPS = ("gap_rank", "gap_selection")
_FEWEST = 0.5  # a method with fewer of the tables and seeds would cost the ranking all others

WRITTEN: Mapping[str, Callable[[Mapping[Any, Any]], str]] = {
    "median": lambda row: signed(row["median"]),
    "interval": lambda row: interval(row["median_low"], row["median_high"]),
    "median_interval": lambda row: f"{WRITTEN['median'](row)} {WRITTEN['interval'](row)}",
    "mean": lambda row: signed(row["mean"]),
    "sd": lambda row: plain(row["sd"]),
    "iqr": lambda row: plain(row["iqr"]),
    "rank": lambda row: plain(row["rank"]),
    "improved": lambda row: f"{row['improved']:.0%}",
    "worse": lambda row: f"{row['worse']:.0%}",
    "gap_rank": lambda row: plain(row["gap_rank"]),
    "gap_selection": lambda row: plain(row["gap_selection"]),
    "n_tables": lambda row: str(row["n_tables"]),
    "n_runs": lambda row: str(row["n_runs"]),
}
"""What stands in a cell → how it is written, given a row of a summary."""


def written(summary: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a summary as a reader takes them in.

    Args:
        summary: Of `summary`, or of `ranked_summary`.
        names: Which of `WRITTEN`, in this order.
    """
    return [tuple(WRITTEN[name](row) for name in names) for row in summary.to_dict("records")]


def summary(cells: pd.DataFrame, score: str, by: str = "method") -> pd.DataFrame:
    """One row per method over all tables, each table by its mean over seeds.

    Args:
        cells: One row per run, see `statistics.records.tidy`.
        score: Column of a normalised score.
        by: Column that tells methods apart.

    Returns:
        Columns: `by`, n_tables, n_runs, the statistics of `aggregate` (median, mean, iqr, improved,
        with bounds), sd and worse (share of tables below `WORSE`) over tables, and medians over
        tables of those of `GAPS` that the cells have.
    """
    rows = aggregate(cells, score, by=[by])
    rows = rows[rows["domain"] == OVERALL].drop(columns="domain").set_index(by)
    means = table_means(cells, score, [by]).dropna().groupby(by)
    rows["sd"] = means.std()
    rows["worse"] = means.agg(lambda values: float((values < WORSE).mean()))
    for gap in GAPS:
        if gap in cells:
            rows[gap] = table_means(cells, gap, [by]).groupby(by).median()
    return rows.reset_index()


def ranked_summary(
    cells: pd.DataFrame, score: str, by: str = "method", *, ranked: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The summary with a column rank, NaN where there is none; best rank first, then median.

    Args:
        cells: One row per run.
        score: Column of the score.
        by: Column of what is compared.
        ranked: What the ranks are taken of, such as `Block.alike`; None takes the cells.
    """
    frame = summary(cells, score, by)
    ranks = _ranks(cells if ranked is None else ranked, score, by)
    frame["rank"] = [ranks.get(str(name), math.nan) for name in frame[by]]
    return frame.sort_values(["rank", "median"], ascending=[True, False], kind="stable")


def ranking(cells: pd.DataFrame, score: str, by: str = "method") -> tuple[Ranking, list[str]]:
    """Ranks of the methods that have enough runs, and who is left out.

    Raises:
        ConfigurationError: See `rank_methods`.
    """
    scored = cells.dropna(subset=[score])
    runs = scored.groupby(by).size()
    few = [str(name) for name, n in runs.items() if n < _FEWEST * runs.max()]
    told = [f"too few runs to be ranked: {', '.join(few)}"] if few else []
    ranked = rank_methods(scored[~scored[by].isin(few)], score, by=by)
    return ranked, [*told, *ranked.notes]


def _ranks(cells: pd.DataFrame, score: str, by: str) -> dict[str, float]:
    try:
        return {str(name): float(r) for name, r in ranking(cells, score, by)[0].ranks.items()}
    except ConfigurationError:  # whoever shows the ranks says why there are none
        return {}
