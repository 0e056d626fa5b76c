"""Scores under FGSM: test rows perturbed against each model, by the size of the step."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import metric_named
from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Paragraph, Part, Picture, Table
from lit_causalmix.study.report.blocks import Block
from lit_causalmix.study.report.parts import csv, notes
from lit_causalmix.study.statistics import OVERALL, scaling_curve, table_means
from lit_causalmix.study.statistics.figures import scaling_figure

_ZERO_SHOT = "zero-shot"
_WITHOUT_UNITS = {"rmse": "r2"}  # what may be averaged over tables in place of the first metric


def perturbed_scores(block: Block) -> pd.DataFrame:
    """The main cells once for each step size, 0 included.

    Returns:
        The labels and domain of the cells, epsilon in standard deviations, the column
        `block.score`, and score and zero_shot of a metric without units.

    Raises:
        ConfigurationError: If no cell has a perturbed score.
    """
    pattern = re.compile(rf"test/perturbed_(\d+(?:\.\d+)?(?:e[+-]\d+)?)/{block.metric}")
    found = {m[1]: m[0] for name in block.main if (m := pattern.fullmatch(str(name)))}
    has = block.main[list(found.values())].notna().any(axis=1)
    if not has.any():
        raise ConfigurationError(
            "no cell has perturbed test rows: list the callback FGSM in the study's base"
        )
    columns = {"0": f"test/real/{block.metric}", **found}
    raw = _raw_metric(block)
    parts = [
        block.main.loc[has, ["table", "domain", "method", "seed"]].assign(
            epsilon=float(epsilon),
            score=block.main[_of(name, raw)],
            zero_shot=block.main[f"{_of(name, raw)}_zero_shot"],
            **{block.score: block.main[f"{name}_normalized"]},
        )
        for epsilon, name in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def fgsm_part(block: Block) -> Part:
    """Normalised score against the step size, and the scores themselves."""
    cells = perturbed_scores(block)
    curve = scaling_curve(cells, block.score, "epsilon")
    name = f"{block.slug}_fgsm"
    drawn = _drawn(block, curve.frame)
    shown = replace(curve, frame=curve.frame[curve.frame["method"].isin(drawn)])
    raw = _raw(cells)
    best = " Of the other methods the one with the best mean over all steps is drawn."
    told = (
        "Every numerical cell of a test row moves by ε training standard deviations against "
        "the model (FGSM); each model meets its own attack, and is compared with zero-shot "
        "under the attack on zero-shot."
    )
    picture = Picture(
        name,
        drawing.png(scaling_figure(shown)),
        f"{block.score} against the step size of FGSM",
        "Mean over tables with Student's 95 % interval. Above 0: the "
        f"fit withstands the attack better than zero-shot."
        f"{best if len(block.settings) > len(drawn) else ''}",
    )
    head = (
        f"mean {metric_named(_raw_metric(block)).label}",
        *(f"ε = {epsilon:g}" for epsilon in raw),
    )
    rows = [(str(method), *map(_four, scores)) for method, scores in raw.iterrows()]
    return Part(
        [
            Paragraph(told),
            picture,
            Table(head, rows, numbers=range(1, len(head))),
            *notes(("", text) for text in curve.notes),
        ],
        files=csv(name, curve.frame)
        | csv(f"{name}_scores", raw.rename_axis(columns=None).reset_index()),
    )


def _drawn(block: Block, curve: pd.DataFrame) -> list[str]:
    """The reference, the method and the best of the others: more bands could not be read."""
    means = curve[curve["domain"] == OVERALL].groupby("method")["mean"].mean()
    first = [name for name in (block.reference, block.method) if name in means]
    others = means.drop(first)
    return [*first, *([str(others.idxmax())] if len(others) else [])]


def _raw_metric(block: Block) -> str:
    return _WITHOUT_UNITS.get(block.metric, block.metric)


def _of(column: str, metric: str) -> str:
    """The same score by another metric."""
    return f"{column.rpartition('/')[0]}/{metric}"


def _raw(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean score over tables, by method (zero-shot first) and step size."""
    alone = cells.drop_duplicates(["table", "seed", "epsilon"])
    zero = alone.assign(method=_ZERO_SHOT, score=alone["zero_shot"])
    methods = list(dict.fromkeys(cells["method"]))
    means = table_means(pd.concat([zero, cells]), "score", ["method", "epsilon"])
    wide = means.groupby(["method", "epsilon"]).mean().unstack("epsilon")
    return wide.reindex([_ZERO_SHOT, *methods])


def _four(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"
