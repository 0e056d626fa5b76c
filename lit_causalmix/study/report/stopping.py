"""What selection makes of training: the selected weights beside the last and the best ones."""

from __future__ import annotations

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import keep_csv
from lit_causalmix.study.report.words import signed

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
    means = cells.groupby(["method", "table"])[_COLUMNS].mean().groupby("method").mean()
    return means.loc[[name for name in block.settings if name in means.index]]


def stopping_part(block: Block, files: Files) -> list[str]:
    """Mean test score of the selected, the last and the best checkpoint of every method.

    The first says what a user gets, the second what the training itself does, the third what
    perfect early stopping would reach, which no one can do: it looks at the test rows.
    """
    means = stopping_means(block)
    keep_csv(files, f"{block.slug}_stopping", means.reset_index())
    return [
        html.paragraph(
            f"Mean {block.score} over tables of the weights that validation selects, of the last "
            "ones, and of the best of all checkpoints, zero-shot included, by the test rows "
            "themselves: perfect stopping, an upper bound."
        ),
        html.table(
            ("method", "selected", "last weights", "perfect stopping"),
            [
                (str(method), *(signed(float(value)) for value in row))
                for method, row in zip(means.index, means.to_numpy(), strict=True)
            ],
            numbers=range(1, 4),
        ),
    ]
