"""The comparison of all methods: the table of the paper, ranks, and every table by itself."""

from __future__ import annotations

import math

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import metric_named
from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Element, Mark, Paragraph, Part, Picture, Table
from lit_causalmix.study.report.blocks import Block, score_name
from lit_causalmix.study.report.parts import csv, notes
from lit_causalmix.study.report.published import NOTE, published
from lit_causalmix.study.report.summary import WORSE, ranked_summary, ranking, written
from lit_causalmix.study.report.words import signed
from lit_causalmix.study.statistics import OVERALL, aggregate
from lit_causalmix.study.statistics.figures import critical_difference_figure

_COLUMNS = {
    "median": "median",
    "interval": "95 % interval",
    "iqr": "IQR",
    "sd": "SD",
    "rank": "average rank",
    "improved": "tables improved",
    "worse": f"tables worse by > {-WORSE:g}",
    "gap_rank": "gap (a)",
    "gap_selection": "gap (b)",
    "n_tables": "tables",
    "n_runs": "runs",
}
_PUBLISHED = ("published median (spread)", "published gap", "published rank")
_STATISTICS = (
    "IQR: interquartile range over tables, SD: standard deviation over tables. Gap (a): 1 "
    "− Spearman's correlation of validation and test scores over the checkpoints of a run, "
    "0 where validation orders them rightly, 1 where it tells nothing; gap (b): distance "
    "of validation and test score at the selected checkpoint, in percent. Both are medians "
    "over tables."
)
_ALIKE = (
    ", where zero-shot scores differ by the scores themselves (in percent of the reference's "
    "zero-shot), and not by the numbers here"
)


def paper_table(block: Block) -> Part:
    """Every method with its statistics over tables, beside the published figures."""
    frame = ranked_summary(block.main, block.score, ranked=block.alike)
    names = [str(name) for name in frame["method"]]
    frame.insert(1, "setting", [block.setting_of(name) for name in names])
    head = ["method", *_COLUMNS.values()]
    rows = [(name, *row) for name, row in zip(names, written(frame, [*_COLUMNS]), strict=True)]
    beside = [published(name) if block.metric == "roc_auc" else None for name in names]
    content: list[Element] = [
        Paragraph(
            f"{metric_named(block.metric).label} of the test rows, normalised: by how many percent "
            "a fit improves on the zero-shot score of the same model. Each table counts once, by "
            "its mean over seeds. Best rank first."
        )
    ]
    if any(beside):
        head += _PUBLISHED
        rows = [
            (*row, *((paper.score, paper.gap, paper.rank) if paper else ("", "", "")))
            for row, paper in zip(rows, beside, strict=True)
        ]
    content += [Table(head, rows, numbers=range(1, len(head))), Paragraph(_STATISTICS, "note")]
    content += [Paragraph(NOTE, "note")] if any(beside) else []
    return Part([*content, *notes(_uneven(frame))], files=csv(f"{block.slug}_summary", frame))


def _uneven(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """A warning where the medians are not over the same runs."""
    if frame["n_runs"].nunique() == 1:
        return []
    told = "methods have different numbers of runs, so that their medians are not over the same"
    return [("", f"{told} ones; ranks and differences, below, are")]


def ranks_part(block: Block) -> Part:
    """Critical-difference diagram and the tests behind it."""
    ranked, told = ranking(block.alike, block.score)
    name = f"{block.slug}_ranks"
    wide = ranked.table_ranks[list(ranked.ranks.index)].rename_axis(columns=None)
    pairs = ranked.pairwise_p.rename_axis(index="method", columns=None)
    diagram = Picture(
        name,
        drawing.png(critical_difference_figure(ranked)),
        "Critical-difference diagram: the mean rank of each method",
        "Rank 1 is best. Ranks are taken on each table and averaged; methods under one bar are "
        "not told apart.",
    )
    return Part(
        [diagram, *notes(("", text) for text in told)],
        files=csv(name, wide.reset_index()) | csv(f"{name}_p", pairs.reset_index()),
    )


def per_table(block: Block) -> Part:
    """Every table by itself: mean normalised score of each method."""
    means = _means(block.main, block.score)
    if means.empty:
        raise ConfigurationError(f"no run has a {block.score}")
    methods = [name for name in block.settings if name in means]
    means = means[methods]
    alike = _means(block.alike, block.score).reindex_like(means)
    rows: list[tuple[str, ...]] = []
    marks: dict[tuple[int, int], Mark] = {}
    for number, (domain, table) in enumerate(means.index):
        scores = means.iloc[number]
        rows.append((str(table), str(domain), *(signed(value) for value in scores)))
        compared = alike.iloc[number]
        own = compared.get(block.reference, math.nan)
        for column, (name, value) in enumerate(compared.items(), start=2):
            if name != block.reference and value != own:
                marks[number, column] = "better" if value > own else "worse" if value < own else ""
    told = (
        f"Mean over seeds of the {score_name(block.metric)}. Blue: better than "
        f"{block.reference}; orange: worse{'' if alike.equals(means) else _ALIKE}."
    )
    head = ("table", "domain", *methods)
    return Part(
        [Paragraph(told), Table(head, rows, range(2, len(head)), marks)],
        files=csv(f"{block.slug}_tables", means.rename_axis(columns=None).reset_index()),
    )


def _means(cells: pd.DataFrame, score: str) -> pd.DataFrame:
    """Mean over seeds by table (rows) and method (columns)."""
    return cells.pivot_table(
        index=["domain", "table"], columns="method", values=score, aggfunc="mean"
    )


def other_metrics(block: Block) -> Part:
    """Median of each metric's normalised score, over tables."""
    parts = []
    for metric in block.metrics:
        if block.main[score_name(metric)].notna().any():
            rows = aggregate(block.main, score_name(metric))
            parts.append(rows.assign(metric=metric))
    if not parts:
        raise ConfigurationError("no run has a normalised score")
    found = pd.concat(parts, ignore_index=True)
    overall = found[found["domain"] == OVERALL].set_index(["metric", "method"])
    metrics = [m for m in block.metrics if m in set(found["metric"])]
    texts = dict(zip(overall.index, written(overall, ["median_interval"]), strict=True))
    rows_ = [
        (method, *(texts.get((metric, method), ("–",))[0] for metric in metrics))
        for method in block.settings
    ]
    told = "Median over tables of the normalised score [95 % interval]; more is better in every "
    told += (
        "column. A zero-shot score near 0 makes a normalised one large: "
        "read the calibration error with care."
        if "ece" in metrics
        else "column, errors included: +1 is one percent less error."
    )
    head = ("method", *(metric_named(metric).label for metric in metrics))
    return Part(
        [Paragraph(told), Table(head, rows_, range(1, len(head)))],
        files=csv(f"{block.slug}_metrics", found),
    )
