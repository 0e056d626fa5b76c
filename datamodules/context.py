"""Which real rows stand in the context when rows are scored in the end, or predicted."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import Table
from lit_causalmix.tables.splits import limit_rows, target_strata

ContextRule = Literal["both", "train"]
"""The context at test and prediction: training and validation rows, or training rows alone."""


def check_rule(rule: str) -> None:
    """Refuses a rule that is none.

    Raises:
        ConfigurationError: With the rules that there are.
    """
    if rule not in get_args(ContextRule):
        raise ConfigurationError(f"context must be both or train, got {rule!r}")


def final_context(
    train: Table, val: Table, rule: ContextRule, *, limit: int | None, seed: int
) -> Table:
    """The context of test and prediction.

    Where training and validation rows together exceed the limit, all training rows stay, and of
    the validation rows as many as there is room for: stratified (by class, or by quantiles of a
    regression target), a function of the seed and of the rows' positions in their source alone.

    Args:
        train: The training split.
        val: The validation split, of the same schema; it may be empty.
        rule: Which of them.
        limit: Most rows; None where nothing limits them. Training rows are never cut.
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
        val = _stratified(val, room, seed)
    return replace(
        train,
        values=np.concatenate([train.values, val.values]),
        rows=np.concatenate([train.rows, val.rows]),
    )


def _stratified(val: Table, most: int, seed: int) -> Table:
    classes = val.schema.task.is_classification
    strata = val.target.astype(np.int64) if classes else target_strata(val.target)
    keys = rng(seed, "context").random(int(val.rows.max()) + 1)[val.rows]
    return val.take(limit_rows(strata, keys, most, least=0))
