"""What the cells cost, in seconds."""

from __future__ import annotations

import math

from lit_causalmix.pages.content import Paragraph, Part, Section, Table
from lit_causalmix.study.report.contents import Study
from lit_causalmix.study.report.parts import csv

_PARTS = ["seconds_processor_fit", "seconds_generator", "seconds"]


def cost_section(study: Study) -> Section:
    """Median seconds of a cell by method, and hours in all; a fit of several labels counts once."""
    cells = study.frame.drop_duplicates("key")
    groups = cells.groupby(["backbone", "method"], sort=True)
    frame = groups[_PARTS].median()
    frame["longest"] = groups["seconds"].max()
    frame["hours"] = groups["seconds"].sum() / 3600
    frame["cells"] = groups.size()
    frame = frame.reset_index()
    head = (
        *("backbone", "method", "processor s, training and evaluation", "processor s, generator"),
        *("s as they passed", "longest cell, s", "hours in all", "cells"),
    )
    rows = [
        (
            *(str(row[name]) for name in ("backbone", "method")),
            *(_one(row[name]) for name in (*_PARTS, "longest")),
            f"{row['hours']:.2f}",
            str(row["cells"]),
        )
        for _, row in frame.iterrows()
    ]
    told = (
        "Medians over cells. A generator's fit and kept rows are counted for every cell that uses "
        "them, though one cell makes them for all; what generators share (the search for edges) "
        "counts for the first of them. Seconds as they passed are those of cells that may have run "
        "side by side. Evaluation includes whatever callbacks the study lists."
    )
    content = [Paragraph(told), Table(head, rows, numbers=range(2, len(head)))]
    return Section("cost", "Cost", [Part(content, files=csv("cost", frame))])


def _one(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"
