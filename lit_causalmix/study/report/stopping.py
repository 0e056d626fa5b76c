"""What selection makes of training: the selected weights beside the last and the best ones."""

from __future__ import annotations

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.content import Paragraph, Part, Table
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import csv
from lit_causalmix.study.report.words import signed
from lit_causalmix.study.statistics import table_means

_COLUMNS = ["selected", "last", "perfect"]


def stopping_means(block: Block) -> pd.DataFrame:
    """Columns selected, last and perfect, one row per method: means over tables.

    Raises:
        ConfigurationError: If no cell has the scores of its checkpoints.
    """
    cells = block.main.assign(selected=block.main[block.score]).dropna(subset=_COLUMNS)
    if not len(cells):
        raise ConfigurationError(
            "no cell has the scores of its checkpoints: list the callback ScoreTrajectory in the "
            "study's base"
        )
    means = pd.DataFrame({c: table_means(cells, c).groupby("method").mean() for c in _COLUMNS})
    return means.loc[[name for name in block.settings if name in means.index]]


def stopping_part(block: Block) -> Part:
    """Mean test score of the selected, the last and the best checkpoint of every method.

    The first says what a user gets, the second what the training itself does, the third what
    perfect early stopping would reach, which no one can do: it looks at the test rows.
    """
    means = stopping_means(block)
    told = (
        f"Mean {block.score} over tables of the weights that validation selects, of the last "
        "ones, and of the best of all checkpoints, zero-shot included, by the test rows "
        "themselves: perfect stopping, an upper bound."
    )
    rows = [
        (str(method), *(signed(float(value)) for value in row))
        for method, row in zip(means.index, means.to_numpy(), strict=True)
    ]
    head = ("method", "selected", "last weights", "perfect stopping")
    return Part(
        [Paragraph(told), Table(head, rows, numbers=range(1, 4))],
        files=csv(f"{block.slug}_stopping", means.reset_index()),
    )
