"""What the cells cost, in seconds."""

from __future__ import annotations

from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.pages.html import Section
from lit_causalmix.study.report.contents import Study
from lit_causalmix.study.report.parts import keep_csv

_PARTS = ["seconds", "seconds_prepare", "seconds_train", "seconds_evaluate"]


def cost_section(study: Study, files: Files) -> Section:
    """Median seconds of a cell by method, and hours in all; a fit of several labels counts once."""
    cells = study.frame.drop_duplicates("key")
    groups = cells.groupby(["backbone", "method"], sort=True)
    frame = groups[_PARTS].median()
    frame["longest"] = groups["seconds"].max()
    frame["hours"] = groups["seconds"].sum() / 3600
    frame["cells"] = groups.size()
    frame = frame.reset_index()
    keep_csv(files, "cost", frame)
    head = (
        *("backbone", "method", "median s per cell", "prepare", "train", "evaluate"),
        *("longest cell, s", "hours in all", "cells"),
    )
    rows = [
        (
            *(str(row[name]) for name in ("backbone", "method")),
            *(f"{row[name]:.1f}" for name in (*_PARTS, "longest")),
            f"{row['hours']:.2f}",
            str(row["cells"]),
        )
        for _, row in frame.iterrows()
    ]
    return Section(
        "cost",
        "Cost",
        (
            html.paragraph(
                "Seconds as they passed, of cells that may have run side by side. Preparing is "
                "reading the table and fitting the generator, which only the first of the cells "
                "that share it pays; evaluating includes whatever callbacks the study lists."
            ),
            html.table(head, rows, numbers=range(2, len(head))),
        ),
    )
