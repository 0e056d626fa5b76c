"""The mean absolute error of regression, in the units of each target."""

from __future__ import annotations

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.content import Paragraph, Part, Table
from lit_causalmix.study.report.blocks import KINDS, Block, score_name
from lit_causalmix.study.report.parts import csv
from lit_causalmix.study.report.words import estimate
from lit_causalmix.study.statistics import paired_effects, table_means, verdict

_MAE = "test/real/mae"
_ZERO_SHOT = "zero-shot"


def absolute_error_part(block: Block) -> Part:
    """Error of every method on every table, and the paired difference of the normalised ones."""
    if block.kind != KINDS[1] or _MAE not in block.main:
        raise ConfigurationError("it is an error of numbers, and these targets are classes")
    cells = block.main.dropna(subset=[_MAE])
    first = next(iter(block.settings))  # the reference, or what is shown in its place
    zero = cells[cells["method"] == first]  # others, such as folds, have one of their own
    zero = zero.assign(method=_ZERO_SHOT, **{_MAE: zero[f"{_MAE}_zero_shot"]})
    means = table_means(pd.concat([zero, cells]), _MAE).unstack("method")
    methods = [name for name in (_ZERO_SHOT, *block.settings) if name in means]
    means = means[methods]
    told = (
        "Mean absolute error of the test rows, in the units of the target, mean over seeds; "
        f"less is better. {_difference(block)}"
    )
    rows = [(str(table), *(f"{v:.4g}" for v in row)) for table, row in means.iterrows()]
    head = ("table", *methods)
    return Part(
        [Paragraph(told), Table(head, rows, range(1, len(head)))],
        files=csv(f"{block.slug}_mae", means.rename_axis(columns=None).reset_index()),
    )


def _difference(block: Block) -> str:
    try:
        alike = block.alike_in("mae")
        effects = paired_effects(alike, score_name("mae"), block.method, block.reference)
        overall = verdict(effects).overall
    except ConfigurationError as error:
        return f"No difference to {block.reference}: {error}."
    return (
        f"Normalised, {block.method} minus {block.reference}: {estimate(overall)} points on "
        "average over tables (95 % interval, Student); above 0 is better."
    )
