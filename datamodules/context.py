"""Which real rows stand in the context when rows are scored in the end, or predicted."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import Table
from lit_causalmix.tables.splits import limit_rows, target_strata

ContextRule = Literal["both", "train"]
"""The context at test and prediction: training and validation rows, or training rows alone."""

ContextSelection = Literal["stratified", "random", "balanced", "nearest"]
"""Which rows are the context where the model takes fewer than there are: in the classes' (or
quantiles') proportions, at random, equally many of each class as far as there are rows, or those
nearest to the query rows of an episode."""


def final_context(
    train: Table,
    val: Table,
    rule: ContextRule,
    *,
    limit: int | None,
    seed: int,
    selection: ContextSelection = "stratified",
) -> Table:
    """The context of test and prediction.

    Where both together exceed the limit, the training rows stay, and of the validation rows as
    many as there is room for: by default stratified (by class, or by quantiles of a regression
    target), a function of the seed and of the rows' positions in their source alone.

    Args:
        train: The training rows that validation has as context (`selecting_context`).
        val: The validation split, of the same schema; it may be empty.
        rule: Which of them.
        limit: Most rows; None where nothing limits them.
        seed: The run's seed.
        selection: How rows are chosen; with "nearest" all are kept, as each episode chooses.

    Returns:
        The training rows in their order, then the validation rows in theirs. A warning says how
        many validation rows there is no room for.
    """
    if rule == "train" or not len(val):
        return train
    bounded = limit is not None and selection != "nearest"
    room = max(0, limit - len(train)) if bounded and limit is not None else len(val)
    if room < len(val):
        warnings.warn(
            f"the context at test and prediction holds {len(train)} training and {room} of "
            f"{len(val)} validation rows, as the model takes at most {limit}",
            stacklevel=2,
        )
        val = _chosen(val, room, seed, selection, least=0)
    return replace(
        train,
        values=np.concatenate([train.values, val.values]),
        rows=np.concatenate([train.rows, val.rows]),
    )


def selecting_context(
    train: Table,
    *,
    limit: int | None,
    seed: int,
    selection: ContextSelection = "stratified",
) -> Table:
    """The context of validation: all training rows, or as many as the model takes.

    Args:
        train: The training split.
        limit: Most rows; None where nothing limits them.
        seed: The run's seed.
        selection: How rows are chosen; with "nearest" all are kept, as each episode chooses.

    Returns:
        The rows in their order; where they are cut stratified, with a row of each class, unless the
        selection says otherwise. A warning says how many are left out.

    Raises:
        ConfigurationError: For "balanced" without classes.
    """
    if selection == "balanced" and not train.schema.task.is_classification:
        raise ConfigurationError(
            "context_selection balanced needs classes, the task is regression: take stratified, "
            "random or nearest"
        )
    if limit is None or len(train) <= limit:
        return train
    near = "the choice nearest to the query rows"
    chosen = near if selection == "nearest" else f"a {selection} choice"
    warnings.warn(
        f"the model takes at most {limit} context rows, the training split has {len(train)}: "
        f"training draws from all of them, and {chosen} of {limit} is the context of "
        "validation, test and prediction",
        stacklevel=2,
    )
    return train if selection == "nearest" else _chosen(train, limit, seed, selection, least=1)


def _chosen(part: Table, most: int, seed: int, selection: ContextSelection, *, least: int) -> Table:
    classes = part.schema.task.is_classification
    keys = rng(seed, "context").random(int(part.rows.max()) + 1)[part.rows]
    if selection == "random":
        strata, least = np.zeros(len(part), dtype=np.int64), 0
    else:
        strata = part.target.astype(np.int64) if classes else target_strata(part.target)
    if selection == "balanced":
        return part.take(_in_turns(strata, keys, most))
    return part.take(limit_rows(strata, keys, most, least=least if classes else 0))


def _in_turns(strata: NDArray[np.int64], keys: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Picks a row of each stratum after the other, as long as there are: ascending indices."""
    order = np.lexsort((keys, strata))
    counts = np.unique(strata, return_counts=True)[1]
    turn = np.concatenate([np.arange(count) for count in counts])
    return np.sort(order[np.lexsort((keys[order], turn))][:most])
