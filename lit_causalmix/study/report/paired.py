"""Each method against default fine-tuning, on the same tables with the same seeds."""

from __future__ import annotations

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Details, Paragraph, Part, Picture, Table
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import csv, notes
from lit_causalmix.study.report.words import estimate, p_value, plain
from lit_causalmix.study.statistics import (
    EQUIVALENT,
    PairedSummary,
    paired_effects,
    summarise,
)
from lit_causalmix.study.statistics.figures import win_loss_figure
from lit_causalmix.study.statistics.means import POWER


def paired_part(block: Block) -> Part:
    """Differences to the reference over all tables, then table by table."""
    if block.reference not in block.settings:
        raise ConfigurationError(f"no finished cell of {block.reference!r} to compare with")
    if not block.rivals:
        raise ConfigurationError(f"no method beside {block.reference!r}")
    summaries: dict[str, PairedSummary] = {}
    told: list[tuple[str, str]] = []
    for name in block.rivals:
        try:
            effects = paired_effects(block.alike, block.score, name, block.reference)
            summaries[name] = summarise(effects)
        except ConfigurationError as error:
            told.append((name, str(error)))
        else:
            told += [(name, note) for note in summaries[name].notes]
    if not summaries:
        raise ConfigurationError("; ".join(dict(told).values()))
    tables = pd.concat([s.tables.assign(method=name) for name, s in summaries.items()])
    figures = [_figure(block, name, found) for name, found in summaries.items()]
    others = Details("The same figure for the other methods", figures[1:])
    rows = [
        (
            name,
            *(str(n) for n in (s.wins, s.ties, s.losses)),
            estimate(s.mean),
            estimate(s.median),
            p_value(s.p),
            p_value(s.equivalence_p),
            plain(s.detectable),
        )
        for name, s in summaries.items()
    ]
    head = (
        *("method", "better", "equal", "worse", "mean difference", "median difference", "p"),
        *(f"p, within ±{EQUIVALENT:g}", "would have shown"),
    )
    told_first = (
        f"Difference of the {block.score} to {block.reference} on the same table with the same "
        "seed. Mean over tables with Student's 95 % interval, median with the bootstrap's; p of "
        "Wilcoxon's signed-rank test over tables, not corrected for the number of methods; p of "
        f"two one-sided tests that the mean lies within ±{EQUIVALENT:g}; and the mean that these "
        f"tables would have shown with a power of {POWER:.0%}."
    )
    return Part(
        [
            Paragraph(told_first),
            Table(head, rows, numbers=range(1, 9)),
            *notes(told),
            figures[0],
            *([others] if figures[1:] else []),
        ],
        files=csv(f"{block.slug}_paired", tables),
    )


def _figure(block: Block, name: str, found: PairedSummary) -> Picture:
    place = list(block.settings).index(name)
    return Picture(
        f"{block.slug}_paired_{place}",
        drawing.png(win_loss_figure(found)),
        f"{found.label}, table by table",
        f"{found.label}, {block.score}; lines are 95 % intervals over seeds (Student), where there "
        "are two seeds or more. Right of 0 is better.",
    )
