"""The comparison table of a study, for a terminal: every method over all tables, and by table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.content import Part, Table
from lit_causalmix.pages.text import render
from lit_causalmix.study.record import Record
from lit_causalmix.study.report.alignment import aligned
from lit_causalmix.study.report.parts import notes
from lit_causalmix.study.report.summary import ranked_summary, ranking, written
from lit_causalmix.study.report.words import signed
from lit_causalmix.study.results import as_frame, headline
from lit_causalmix.study.statistics import table_means

_COLUMNS = {
    "median": "median",
    "interval": "95 % interval",
    "iqr": "IQR",
    "improved": "improved",
    "rank": "average rank",
    "n_tables": "tables",
    "n_runs": "runs",
}
_REFERENCE = "default"
"""The method whose zero-shot score the ranks are taken beside, as on the page by default."""


def comparison_table(records: Sequence[Record], *, metric: str | None = None) -> str:
    """Compares methods by their normalised test score over the real rows.

    Classification and regression stand apart, as their metrics do. Every table counts once, by its
    mean over seeds; the average rank is taken over the tables and seeds that every method has,
    in percent of default's zero-shot for all of them (see `aligned`).

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
    parts = [
        part
        for kind, cells in frame.groupby(frame["task"] == "regression")
        for part in _parts(cells, "regression" if kind else "classification", metric)
    ]
    if not parts:
        raise ConfigurationError(f"no result has the metric {metric!r}")
    return render(parts)


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


def _parts(cells: pd.DataFrame, kind: str, metric: str | None) -> Iterator[Part]:
    name = metric or headline(kind)
    score = f"test/real/{name}_normalized"
    if score not in cells:
        return
    alike = aligned(cells, name, score, _REFERENCE)
    summary = ranked_summary(cells, score, "condition", ranked=alike)
    seconds = cells.groupby("condition")["seconds"].median()
    rows = [
        (condition, *row, f"{seconds[condition]:.1f}")
        for condition, row in zip(summary["condition"], written(summary, [*_COLUMNS]), strict=True)
    ]
    head = ("", *_COLUMNS.values(), "s per run")
    title = f"{kind}: {name}, improvement on zero-shot in %, test rows"
    said = notes(("", text) for text in _told(alike, score))
    yield Part([Table(head, rows, range(1, len(head))), *said], title)
    means = table_means(cells, score, ["condition"]).unstack("table").dropna(axis=1, how="all")
    head = ("", *map(str, means.columns))
    rows = [(name, *map(signed, means.loc[name])) for name in summary["condition"]]
    table = Table(head, rows, range(1, len(head)))
    yield Part([table], f"{title}, table by table (mean over seeds)")


def _told(cells: pd.DataFrame, score: str) -> list[str]:
    """What there is to say of the ranks, or why there are none."""
    try:
        return ranking(cells, score, "condition")[1]
    except ConfigurationError as error:
        return [str(error)]
