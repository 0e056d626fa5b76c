"""The method and default fine-tuning, domain by domain."""

from __future__ import annotations

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import keep_csv
from lit_causalmix.study.report.words import interval, plain, signed
from lit_causalmix.study.statistics import OVERALL, aggregate


def domains_part(block: Block, files: Files) -> list[str]:
    """Median, mean, spread and share of improved tables by domain; all methods go to the CSV."""
    frame = aggregate(block.main, block.score)
    keep_csv(files, f"{block.slug}_domains", frame)
    shown = frame[
        (frame["domain"] != OVERALL) & frame["method"].isin([block.reference, block.method])
    ].sort_values(["domain", "method"], kind="stable")
    if shown["domain"].nunique() < 2:
        raise ConfigurationError("all tables are of one domain")
    return [
        html.paragraph(
            f"{block.score} by the domain that a table comes from, each table by its mean over "
            "seeds. The bootstrap interval over tables and seeds needs two tables, and is too "
            "narrow where they are few."
        ),
        html.table(
            ("domain", "method", "tables", "median", "95 % interval", "mean", "IQR", "improved"),
            [
                (
                    str(row["domain"]),
                    str(row["method"]),
                    str(row["n_tables"]),
                    signed(row["median"]),
                    interval(row["median_low"], row["median_high"]),
                    signed(row["mean"]),
                    plain(row["iqr"]),
                    f"{row['improved']:.0%}",
                )
                for _, row in shown.iterrows()
            ],
            numbers=range(2, 8),
        ),
    ]
