"""How good the synthetic rows of each method were, where the cells measured it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lit_causalmix.pages.content import Paragraph, Part, Section, Table
from lit_causalmix.study.record import Record
from lit_causalmix.study.report.contents import Study
from lit_causalmix.study.report.parts import csv
from lit_causalmix.study.results import number

_SHOWN = {
    "global_utility": "global utility",
    "tstr": "trained on them (target)",
    "trtr": "trained on real rows",
    "column_shapes": "column shapes",
    "pair_trends": "pair trends",
    "two_sample_auc": "two-sample ROC-AUC",
    "coverage": "coverage",
}
"""Measure of `quality_numbers` → title of its column."""


def quality_sections(study: Study) -> Iterator[Section]:
    """One section, none where no cell has `GeneratorQuality` among its callbacks."""
    cells = pd.DataFrame([line for record in study.records for line in _lines(record)])
    if cells.empty:
        return
    tables = cells.groupby(["backbone", "method", "table"], sort=True)[[*_SHOWN]].mean()
    frame = tables.groupby(level=["backbone", "method"], sort=True).mean()
    frame.insert(0, "tables", tables.groupby(level=["backbone", "method"]).size())
    frame = frame.reset_index()
    rows = [
        (
            *(str(row[name]) for name in ("backbone", "method", "tables")),
            *("–" if pd.isna(row[name]) else f"{row[name]:.2f}" for name in _SHOWN),
        )
        for _, row in frame.iterrows()
    ]
    told = (
        "Means over tables, each by its mean over seeds, measured before training and apart from "
        "all test rows. Global utility (TabStruct): every column in turn is the target; the share "
        "of the skill of real rows that is kept when a forest trains on synthetic ones. Good "
        "scores here are no gain in fine-tuning."
    )
    head = ("backbone", "method", "tables", *_SHOWN.values())
    table = Table(head, rows, numbers=range(2, len(head)))
    files = csv("quality", frame)
    yield Section(
        "quality", "Quality of the synthetic rows", [Part([Paragraph(told), table], files=files)]
    )


def _lines(record: Record) -> Iterator[dict[str, object]]:
    """One line per domain; a domain is all of a cell that has one table."""
    domains: dict[str, dict[str, object]] = {}
    for name, value in record.get("quality", {}).items():
        domain, _, measure = name.rpartition("/")
        domains.setdefault(domain, dict.fromkeys(_SHOWN, number(None)))[measure] = number(value)
    for numbers in domains.values():
        yield {name: record[name] for name in ("backbone", "method", "table")} | numbers
