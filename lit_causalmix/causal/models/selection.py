"""The family of every node of a table, chosen by cross-validation.

Up to `FULL_ROWS` rows each family is fitted in full (`families.choose_family`). With more, boosting
is judged by `screening`, all nodes at once, on at most `MOST_ROWS` rows: a sixth of the time. Where
the two ways disagree, both families are nearly as good (docs/results/scm-fit.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.families import (
    FAMILIES,
    FOLDS,
    GAIN,
    choose_family,
    comparable,
    held_out_loss,
    varies,
)
from lit_causalmix.causal.models.screening import Question, binned, held_out_losses

FULL_ROWS = 300
"""Up to so many rows, with which results of studies were made, families are compared in full."""

MOST_ROWS = 4000
"""Rows that a comparison of families looks at [our choice, by measurement]."""

FLATTERY = 0.01
"""By so much coarse bins make boosting look better than it is [our choice, by measurement]."""


Floats = NDArray[np.float64]


def choose_families(
    values: Floats,
    missing: NDArray[np.bool_],
    sizes: Sequence[int],
    parents: Mapping[int, Sequence[int]],
    rng: Callable[[int], np.random.Generator],
    done: Callable[[], object],
) -> dict[int, str]:
    """Names the family of each node that has parents.

    Args:
        values: Complete coded rows, float64 (n, d).
        missing: bool (n, d), imputed cells: they count as a parent's value, never as a child's.
        sizes: Number of codes of each of the d columns, 0 for a numerical one.
        parents: The parents of each node.
        rng: Source of the folds of a node.
        done: Called after each node.
    """
    if len(values) > FULL_ROWS:
        return _screened(values, missing, sizes, parents, rng, done)
    families = {}
    for node, own in parents.items():
        known, codes = ~missing[:, node], [sizes[p] for p in own]
        rows, child = values[:, own][known], values[known, node]
        families[node] = choose_family(rows, child, codes, sizes[node], rng(node))
        done()
    return families


def _screened(
    values: Floats,
    missing: NDArray[np.bool_],
    sizes: Sequence[int],
    parents: Mapping[int, Sequence[int]],
    rng: Callable[[int], np.random.Generator],
    done: Callable[[], object],
) -> dict[int, str]:
    questions: dict[int, Question] = {}
    linear: dict[int, float] = {}
    bins: dict[int, NDArray[np.uint8]] = {}
    for node, own in parents.items():
        done()
        known, codes = np.flatnonzero(~missing[:, node]), [sizes[p] for p in own]
        if not comparable(codes, sizes[node], len(known)):
            continue
        order = rng(node).permutation(len(known))
        rows, fold = known[order < MOST_ROWS], order[order < MOST_ROWS] % FOLDS
        child = values[rows, node]
        if not varies(child, fold):
            continue
        linear[node] = held_out_loss(
            FAMILIES["linear"], values[:, own][rows], child, codes, sizes[node], fold
        )
        for p in own:
            if p not in bins:
                bins[p] = values[:, p].astype(np.uint8) if sizes[p] else binned(values[:, p])
        inputs = np.stack([bins[p][rows] for p in own])
        questions[node] = Question(inputs, tuple(codes), child, sizes[node], fold)
    boosting = dict(zip(questions, held_out_losses([*questions.values()]).tolist(), strict=True))
    least = 1 - GAIN - FLATTERY
    return {
        node: "boosting" if node in boosting and boosting[node] < least * linear[node] else "linear"
        for node in parents
    }
