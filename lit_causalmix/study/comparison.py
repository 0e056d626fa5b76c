"""The comparison table of a study, as text: every method over all tables, and table by table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.results import as_frame, headline
from lit_causalmix.study.statistics import OVERALL, aggregate, rank_methods
from lit_causalmix.study.store import Record

_CONDITION = ["method", "backbone", "ratio", "size"]


def comparison_table(records: Sequence[Record], *, metric: str | None = None) -> str:
    """Compares methods by their normalised test score over the real rows.

    Classification and regression stand apart, as their metrics do. Every table counts once, by its
    mean over seeds; the average rank is taken over the tables and seeds that every method has.

    Args:
        records: Of `results.finished`.
        metric: Name of a metric; None takes ROC-AUC for classification and RMSE for regression.

    Raises:
        ConfigurationError: If there is no result, or none with that metric.
    """
    if not records:
        raise ConfigurationError("no cell is finished yet: lit-causalmix study run")
    frame = as_frame(records)
    frame["condition"] = _conditions(frame)
    blocks = [
        block
        for kind, part in frame.groupby(frame["task"] == "regression")
        for block in _blocks(part, "regression" if kind else "classification", metric)
    ]
    if not blocks:
        raise ConfigurationError(f"no result has the metric {metric!r}")
    return "\n\n".join(blocks)


def _conditions(frame: pd.DataFrame) -> pd.Series[str]:
    """A name for each way of fitting: the method, and what else varies within it."""
    condition = frame["method"].astype(str)
    if frame["backbone"].nunique() > 1:
        condition += " on " + frame["backbone"].astype(str)
    for name in ("ratio", "size"):
        varied = frame.groupby(["method", "backbone"])[name].transform(
            lambda values: values.nunique(dropna=False)
        )
        text = frame[name].map(lambda value: "fresh" if pd.isna(value) else f"{value:g}")
        condition += (f", {name} " + text).where(varied > 1, "")
    return condition


def _blocks(frame: pd.DataFrame, kind: str, metric: str | None) -> Iterator[str]:
    name = metric or headline(kind)
    score = f"test/real/{name}_normalized"
    if score not in frame:
        return
    summary = aggregate(frame, score, by=["condition"])
    summary = summary[summary["domain"] == OVERALL].set_index("condition")
    ranks, notes = _ranks(frame, score)
    table = pd.DataFrame(
        {
            "median": summary["median"].map("{:+.2f}".format),
            "95 % interval": [
                f"[{low:+.2f}, {high:+.2f}]" if pd.notna(low) else "-"
                for low, high in zip(summary["median_low"], summary["median_high"], strict=True)
            ],
            "IQR": summary["iqr"].map("{:.2f}".format),
            "improved": summary["improved"].map("{:.0%}".format),
            "average rank": [f"{ranks[c]:.2f}" if c in ranks else "-" for c in summary.index],
            "tables": summary["n_tables"],
            "runs": summary["n_runs"],
            "s per run": frame.groupby("condition")["seconds"].median().map("{:.1f}".format),
        }
    )
    order = sorted(table.index, key=lambda c: (ranks.get(c, 0.0), -summary["median"][c]))
    title = f"{kind}: {name}, improvement on zero-shot in %, test rows"
    yield "\n".join([title, _text(table.loc[order]), *(f"note: {note}" for note in notes)])
    means = frame.pivot_table(index="condition", columns="table", values=score, aggfunc="mean")
    yield f"{title}, table by table (mean over seeds)\n" + _text(
        means.loc[order].map(lambda value: "-" if pd.isna(value) else f"{value:+.2f}")
    )


def _ranks(frame: pd.DataFrame, score: str) -> tuple[dict[str, float], tuple[str, ...]]:
    try:
        ranking = rank_methods(frame, score, by="condition")
    except ConfigurationError as error:
        return {}, (str(error),)
    return {str(name): float(rank) for name, rank in ranking.ranks.items()}, ranking.notes


def _text(table: pd.DataFrame) -> str:
    return str(table.rename_axis(index=None, columns=None).to_string())
