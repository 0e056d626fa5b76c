"""The method and default fine-tuning, domain by domain."""

from __future__ import annotations

from lit_causalmix.pages.content import Paragraph, Part, Table
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import csv, left_out
from lit_causalmix.study.report.summary import written
from lit_causalmix.study.statistics import OVERALL, aggregate

_COLUMNS = {
    "n_tables": "tables",
    "median": "median",
    "interval": "95 % interval",
    "mean": "mean",
    "iqr": "IQR",
    "improved": "improved",
}


def domains_part(block: Block) -> Part:
    """Median, mean, spread and share of improved tables by domain; all methods go to the CSV."""
    frame = aggregate(block.main, block.score)
    shown = frame[
        (frame["domain"] != OVERALL) & frame["method"].isin([block.reference, block.method])
    ].sort_values(["domain", "method"], kind="stable")
    files = csv(f"{block.slug}_domains", frame)
    if shown["domain"].nunique() < 2:
        return Part([left_out("all tables are of one domain")], files=files)
    names = zip(shown["domain"], shown["method"], strict=True)
    rows = [
        (str(domain), str(method), *row)
        for (domain, method), row in zip(names, written(shown, [*_COLUMNS]), strict=True)
    ]
    told = (
        f"{block.score} by the domain that a table comes from, each table by its mean over "
        "seeds. The bootstrap interval of the median needs two tables, and is too narrow where "
        "they are few."
    )
    head = ("domain", "method", *_COLUMNS.values())
    return Part(
        [Paragraph(told), Table(head, rows, range(2, len(head)))],
        files=files,
    )
