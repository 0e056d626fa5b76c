"""Which real rows stand in the context when rows are scored in the end, or predicted."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np

from lit_causalmix.seeding import rng
from lit_causalmix.tables import Table
from lit_causalmix.tables.splits import limit_rows, target_strata

ContextRule = Literal["both", "train"]
"""The context at test and prediction: training and validation rows, or training rows alone."""


def final_context(
    train: Table, val: Table, rule: ContextRule, *, limit: int | None, seed: int
) -> Table:
    """The context of test and prediction.

    Where both together exceed the limit, the training rows stay, and of the validation rows as
    many as there is room for: stratified (by class, or by quantiles of a regression target), a
    function of the seed and of the rows' positions in their source alone.

    Args:
        train: The training rows that validation has as context (`selecting_context`).
        val: The validation split, of the same schema; it may be empty.
        rule: Which of them.
        limit: Most rows; None where nothing limits them.
        seed: The run's seed.

    Returns:
        The training rows in their order, then the validation rows in theirs. A warning says how
        many validation rows there is no room for.
    """
    if rule == "train" or not len(val):
        return train
    room = len(val) if limit is None else max(0, limit - len(train))
    if room < len(val):
        warnings.warn(
            f"the context at test and prediction holds {len(train)} training and {room} of "
            f"{len(val)} validation rows, as the model takes at most {limit}",
            stacklevel=2,
        )
        val = _stratified(val, room, seed, least=0)
    return replace(
        train,
        values=np.concatenate([train.values, val.values]),
        rows=np.concatenate([train.rows, val.rows]),
    )


def selecting_context(train: Table, *, limit: int | None, seed: int) -> Table:
    """The context of validation: all training rows, or as many as the model takes.

    Args:
        train: The training split.
        limit: Most rows; None where nothing limits them.
        seed: The run's seed.

    Returns:
        The rows in their order; stratified, with a row of each class, where they are cut. A warning
        says how many are left out.
    """
    if limit is None or len(train) <= limit:
        return train
    warnings.warn(
        f"the model takes at most {limit} context rows, the training split has {len(train)}: "
        f"training draws from all of them, and a stratified choice of {limit} is the context of "
        "validation, test and prediction",
        stacklevel=2,
    )
    return _stratified(train, limit, seed, least=1)


def _stratified(part: Table, most: int, seed: int, *, least: int) -> Table:
    classes = part.schema.task.is_classification
    strata = part.target.astype(np.int64) if classes else target_strata(part.target)
    keys = rng(seed, "context").random(int(part.rows.max()) + 1)[part.rows]
    return part.take(limit_rows(strata, keys, most, least=least if classes else 0))
