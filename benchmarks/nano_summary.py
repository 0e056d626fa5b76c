"""Tables in Markdown of what `benchmarks/nano.py` measured, with intervals over the tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from lit_causalmix.backbones.nano import LATEST, VERSIONS
from lit_causalmix.seeding import rng
from lit_causalmix.study.report.words import count

HEADLINE = {True: "roc_auc", False: "r2"}
RESAMPLES = 5_000
EMBEDDED = f"Nano {LATEST}"
EARLIER = [f"Nano {version}" for version in VERSIONS if version != LATEST]
"""Generations that are shown beside the latest, but take no place in the ranking."""


def interval(values: pd.Series[float], statistic: Callable[..., object]) -> str:
    """A statistic over tables with its 95 % percentile bootstrap interval (from two tables on)."""
    middle = float(statistic(values))  # type: ignore[arg-type]
    if len(values) == 1:
        return f"{middle:.3f}"
    found = bootstrap(
        (values.to_numpy(),),
        statistic,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=rng(0, "nano intervals"),
    ).confidence_interval
    return f"{middle:.3f} [{found.low:.3f}, {found.high:.3f}]"


def overall(complete: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per method: mean, median, mean rank, difference to `EMBEDDED`, with intervals.

    Args:
        complete: Scores by table and seed, a column per method; earlier generations may have gaps.
        metric: Its name.
    """
    compared, per_table = EMBEDDED in complete, complete.groupby("table").mean()
    earlier = per_table.columns.intersection(EARLIER)
    ranks = per_table.drop(columns=earlier).rank(axis=1, ascending=False)
    rows = {
        name: {
            f"mean {metric}": interval(per_table[name].dropna(), np.mean),
            f"median {metric}": interval(per_table[name].dropna(), np.median),
            "mean rank": interval(ranks[name], np.mean) if name in ranks else "",
            "first on": f"{(ranks[name] == 1).sum()}" if name in ranks else "",
            f"{EMBEDDED} minus it": (
                interval(_differences(complete, name), np.mean)
                if compared and name != EMBEDDED
                else ""
            ),
        }
        for name in [*ranks.mean().sort_values().index, *earlier]
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _differences(complete: pd.DataFrame, name: str) -> pd.Series[float]:
    """`EMBEDDED` less a method by table, over the seeds that both have."""
    return (complete[EMBEDDED] - complete[name]).dropna().groupby("table").mean()


def summary(results: pd.DataFrame) -> str:
    """Overall over the tables and seeds that every ranked method has, then every table."""
    parts = []
    for is_classification, metric in HEADLINE.items():
        chosen = results[(results["task"] != "regression") == is_classification]
        if chosen.empty:
            continue
        scores = chosen.pivot_table(index=["table", "seed"], columns="method", values=metric)
        ranked = scores.columns.difference(EARLIER)
        complete = scores.dropna(subset=ranked)
        table = overall(complete, metric)
        cells = chosen.set_index(["table", "seed"])
        per_table = cells[cells.index.isin(complete.index)].groupby(["method", "table"])
        for name in ("ece", "coverage"):
            if chosen[name].notna().any():
                means = per_table[name].mean().groupby("method").mean()
                table[f"mean {name}"] = means.map("{:.3f}".format).where(means.notna(), "")
        seconds = per_table["seconds"].mean().groupby("method").median()
        table["CPU seconds"] = seconds.map("{:.2f}".format)
        if not is_classification:
            errors = chosen.pivot_table(index=["table", "seed"], columns="method", values="mae")
            known = errors.dropna(subset=ranked)
            relative = known.div(known[ranked].min(axis=1), axis=0).groupby("table").mean()
            for name, statistic in (("mean", np.mean), ("median", np.median)):
                values = [interval(relative[method].dropna(), statistic) for method in table.index]
                table.insert(2, f"{name} MAE / lowest", values)
        seeds = sorted(set(complete.groupby("table").size()))
        seed_text = (
            count(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        )
        title = "Classification" if is_classification else "Regression"
        n_tables = complete.index.get_level_values("table").nunique()
        parts += [
            f"### {title}: {n_tables} tables that every method takes, {seed_text}",
            markdown(table),
            f"{metric} per table, mean (standard deviation) over the seeds:",
            markdown(_per_table(scores, "{:.3f}")),
        ]
        if not is_classification:
            parts += [
                "Mean absolute error per table, in the target's units:",
                markdown(_per_table(errors, "{:.4g}")),
            ]
    return "\n\n".join(parts)


def _per_table(scores: pd.DataFrame, style: str) -> pd.DataFrame:
    mean, deviation = scores.groupby("table").mean(), scores.groupby("table").std()
    spread = (" (" + deviation.map(style.format) + ")").where(deviation.notna(), "")
    return (mean.map(style.format) + spread).where(mean.notna(), "–")


def markdown(frame: pd.DataFrame) -> str:
    """A frame of strings as a Markdown table."""
    header = [str(frame.index.name or ""), *map(str, frame.columns)]
    lines = [header, ["---", *["---:"] * len(frame.columns)]]
    lines += [[str(label), *map(str, row)] for label, row in frame.iterrows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
