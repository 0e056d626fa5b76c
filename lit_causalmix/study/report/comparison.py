"""The comparison of all methods: the table of the paper, ranks, and every table by itself."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import drawing, html
from lit_causalmix.pages.files import Files
from lit_causalmix.study.report.blocks import LABELS, Block, score_name
from lit_causalmix.study.report.parts import keep_csv, notes
from lit_causalmix.study.report.published import NOTE, published
from lit_causalmix.study.report.words import interval, plain, signed
from lit_causalmix.study.statistics import OVERALL, Ranking, aggregate, rank_methods
from lit_causalmix.study.statistics.figures import critical_difference_figure

WORSE = -0.1
"""Percent of zero-shot below which a table counts as made worse [our choice]."""

_PUBLISHED = ("published median (spread)", "published gap", "published rank")
_FEWEST = 0.5  # a method with fewer of the tables and seeds would cost the ranking all others


def summary(block: Block) -> pd.DataFrame:
    """One row per method over all tables, each table by its mean over seeds.

    Columns: method, setting, n_tables, n_runs, the statistics of `aggregate` (median, mean, iqr,
    improved, with bounds), sd, worse (share of tables below `WORSE`), gap_rank and gap_selection
    (medians over tables).
    """
    rows = aggregate(block.main, block.score)
    rows = rows[rows["domain"] == OVERALL].drop(columns="domain").set_index("method")
    tables = block.main.groupby(["method", "table"])
    means = tables[block.score].mean().dropna().groupby("method")
    rows["sd"] = means.std()
    rows["worse"] = means.agg(lambda values: float((values < WORSE).mean()))
    for gap in ("gap_rank", "gap_selection"):
        rows[gap] = tables[gap].mean().groupby("method").median()
    rows.insert(0, "setting", [str(block.settings[str(name)]) for name in rows.index])
    return rows.reset_index()


def ranked_summary(block: Block) -> pd.DataFrame:
    """The summary with a column rank, NaN where there is none; best rank first, then median."""
    frame = summary(block)
    ranks = _ranks(block)
    frame["rank"] = [ranks.get(name, math.nan) for name in frame["method"]]
    return frame.sort_values(["rank", "median"], ascending=[True, False], kind="stable")


def ranking(block: Block) -> tuple[Ranking, list[str]]:
    """Ranks of the methods that have enough runs, and who is left out.

    Raises:
        ConfigurationError: See `rank_methods`.
    """
    scored = block.main.dropna(subset=[block.score])
    runs = scored.groupby("method").size()
    few = [str(name) for name, n in runs.items() if n < _FEWEST * runs.max()]
    told = [f"too few runs to be ranked: {', '.join(few)}"] if few else []
    ranked = rank_methods(scored[~scored["method"].isin(few)], block.score)
    return ranked, [*told, *ranked.notes]


def paper_table(block: Block, files: Files) -> list[str]:
    """Medians, spreads, ranks and gaps, beside the published figures."""
    frame = ranked_summary(block)
    keep_csv(files, f"{block.slug}_summary", frame)
    beside = [published(name) if block.metric == "roc_auc" else None for name in frame["method"]]
    rows = [
        (
            str(row["method"]),
            signed(row["median"]),
            interval(row["median_low"], row["median_high"]),
            plain(row["iqr"]),
            plain(row["sd"]),
            plain(row["rank"]),
            f"{row['improved']:.0%}",
            f"{row['worse']:.0%}",
            plain(row["gap_rank"]),
            plain(row["gap_selection"]),
            str(row["n_tables"]),
            str(row["n_runs"]),
            *((paper.score, paper.gap, paper.rank) if paper else ("", "", "")),
        )
        for (_, row), paper in zip(frame.iterrows(), beside, strict=True)
    ]
    head = (
        *("method", "median", "95 % interval", "IQR", "SD", "average rank", "tables improved"),
        *(f"tables worse by > {-WORSE:g}", "gap (a)", "gap (b)", "tables", "runs"),
        *_PUBLISHED,
    )
    shown = len(head) if any(beside) else len(head) - len(_PUBLISHED)
    return [
        html.paragraph(
            f"{LABELS[block.metric]} of the test rows, normalised: by how many percent a fit "
            "improves on the zero-shot score of the same model. Each table counts once, by its "
            "mean over seeds. Best rank first."
        ),
        html.table(head[:shown], [row[:shown] for row in rows], numbers=range(1, shown)),
        html.paragraph(
            "IQR: interquartile range over tables, SD: standard deviation over tables. Gap (a): 1 "
            "− Spearman's correlation of validation and test scores over the checkpoints of a run, "
            "0 where validation orders them rightly, 1 where it tells nothing; gap (b): distance "
            "of validation and test score at the selected checkpoint, in percent. Both are medians "
            "over tables.",
            "note",
        ),
        *([html.paragraph(NOTE, "note")] if any(beside) else []),
        *notes(_uneven(frame)),
    ]


def _uneven(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """A warning where the medians are not over the same runs."""
    if frame["n_runs"].nunique() == 1:
        return []
    told = "methods have different numbers of runs, so that their medians are not over the same"
    return [("", f"{told} ones; ranks and differences, below, are")]


def _ranks(block: Block) -> dict[str, float]:
    try:
        return {str(name): float(r) for name, r in ranking(block)[0].ranks.items()}
    except ConfigurationError:  # the part on ranks says why
        return {}


def ranks_part(block: Block, files: Files) -> list[str]:
    """Critical-difference diagram and the tests behind it."""
    ranked, told = ranking(block)
    name = f"{block.slug}_ranks"
    wide = ranked.table_ranks[list(ranked.ranks.index)].rename_axis(columns=None)
    keep_csv(files, name, wide.reset_index())
    pairs = ranked.pairwise_p.rename_axis(index="method", columns=None)
    keep_csv(files, f"{name}_p", pairs.reset_index())
    figure = drawing.png(critical_difference_figure(ranked))
    return [
        html.picture(
            files.keep(f"{name}.png", figure),
            "Critical-difference diagram",
            "Rank 1 is best. Ranks are taken on each table and averaged; methods under one bar are "
            "not told apart.",
        ),
        *notes(("", text) for text in told),
    ]


def per_table(block: Block, files: Files) -> list[str]:
    """Every table by itself: mean normalised score of each method."""
    means = block.main.pivot_table(
        index=["domain", "table"], columns="method", values=block.score, aggfunc="mean"
    )
    if means.empty:
        raise ConfigurationError(f"no run has a {block.score}")
    methods = [name for name in block.settings if name in means]
    means = means[methods]
    keep_csv(files, f"{block.slug}_tables", means.rename_axis(columns=None).reset_index())
    rows, css = [], {}
    for number, (domain, table) in enumerate(means.index):
        scores = means.iloc[number]
        rows.append((str(table), str(domain), *(signed(value) for value in scores)))
        own = scores.get(block.reference, math.nan)
        for column, (name, value) in enumerate(scores.items(), start=2):
            if name != block.reference and value != own:
                css[number, column] = "better" if value > own else "worse" if value < own else ""
    return [
        html.paragraph(
            f"Mean over seeds of the {score_name(block.metric)}. Blue: better than "
            f"{block.reference}; orange: worse."
        ),
        html.table(
            ("table", "domain", *methods), rows, numbers=range(2, 2 + len(methods)), css=css
        ),
    ]


def other_metrics(block: Block, files: Files) -> list[str]:
    """Median of each metric's normalised score, over tables."""
    parts = []
    for metric in block.metrics:
        if block.main[score_name(metric)].notna().any():
            rows = aggregate(block.main, score_name(metric))
            parts.append(rows.assign(metric=metric))
    if not parts:
        raise ConfigurationError("no run has a normalised score")
    found = pd.concat(parts, ignore_index=True)
    keep_csv(files, f"{block.slug}_metrics", found)
    overall = found[found["domain"] == OVERALL].set_index(["metric", "method"])
    metrics = [m for m in block.metrics if m in set(found["metric"])]
    rows_ = [
        (method, *(_median(overall, metric, method) for metric in metrics))
        for method in block.settings
    ]
    return [
        html.paragraph(
            "Median over tables of the normalised score [95 % interval]; more is better in every "
            "column. A zero-shot score near 0 makes a normalised one large: "
            "read the calibration error with care."
            if "ece" in metrics
            else "Median over tables of the normalised score [95 % interval]; more is better in "
            "every column, errors included: +1 is one percent less error."
        ),
        html.table(
            ("method", *(LABELS[metric] for metric in metrics)),
            rows_,
            numbers=range(1, 1 + len(metrics)),
        ),
    ]


def _median(overall: pd.DataFrame, metric: str, method: str) -> str:
    if (metric, method) not in overall.index:
        return "–"
    bounds = overall[["median", "median_low", "median_high"]].to_numpy(dtype=np.float64)
    value, low, high = bounds[overall.index.get_loc((metric, method))].tolist()
    return f"{signed(value)} {interval(low, high)}"
