"""Held-out losses of boosting for many nodes at once, on coarse bins.

On some hundred rows histogram boosting spends its time between the many small steps of each tree.
Here the trees of all nodes, folds and classes grow together (`coarse_trees`), on at most `BINS`
bins of each parent, which all nodes share. The losses are close to those of `boosted`, not equal:
they say which family suits a node (`selection`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.coarse_trees import BINS, Fit, Floats, grow
from lit_causalmix.deadlines import check

SUPPORT = 10.0
"""Pulls rare categories towards the mean in the order of categories, as scikit-learn does."""

_MOST_CELLS = 200_000
"""Cells of training rows × parents, over all outputs, that grow together: what caches hold."""


@dataclass(frozen=True, eq=False)
class Question:
    """A node whose held-out losses are wanted.

    Attributes:
        bins: Of the p parents, uint8 (p, n), see `binned`; codes for categories.
        sizes: Number of codes of each parent, 0 for a numerical one.
        child: Coded child, float64 (n,).
        n_classes: Number of codes of the child, 0 for a numerical one.
        fold: int64 (n,), the fold in which each row is held out.
    """

    bins: NDArray[np.uint8]
    sizes: tuple[int, ...]
    child: Floats
    n_classes: int
    fold: NDArray[np.int64]


def binned(column: Floats) -> NDArray[np.uint8]:
    """Cuts a numerical column, float64 (n,), at its quantiles, or between its few values.

    Example:
        >>> binned(np.array([0.5, 7.0, 0.5, 1.0])).tolist()
        [0, 2, 0, 1]
    """
    cuts = np.unique(column)
    if len(cuts) > BINS:
        cuts = np.unique(np.quantile(column, np.arange(1, BINS) / BINS))
    else:
        cuts = cuts[:-1]
    return np.searchsorted(cuts, column).astype(np.uint8)


def held_out_losses(questions: Sequence[Question]) -> Floats:
    """Returns squared errors, or log-losses, summed over held-out rows, float64 (questions,)."""
    losses = np.zeros(len(questions))
    fits = [
        _fit_of(number, question, question.fold == f)
        for number, question in enumerate(questions)
        for f in np.unique(question.fold).tolist()
    ]

    def kind(fit: Fit) -> tuple[bool, int]:
        return fit.classes, fit.outputs

    for _, alike in groupby(sorted(fits, key=kind), kind):
        for some in _together(list(alike)):
            check()
            for fit, raw in zip(some, grow(some), strict=True):
                losses[fit.number] += fit.loss(raw)
    return losses


def _fit_of(number: int, question: Question, held_out: NDArray[np.bool_]) -> Fit:
    order = np.argsort(held_out, kind="stable")
    trained = int((~held_out).sum())
    child, bins = question.child[order], question.bins[:, order]
    aims = child[None]
    if question.n_classes:
        kinds = np.arange(question.n_classes) if question.n_classes > 2 else np.array([1])
        aims = (child == kinds[:, None]).astype(np.float64)
    sorted_ = [_in_order(bins, question.sizes, aim[:trained]) for aim in aims]
    return Fit(number, len(aims), question.n_classes > 0, np.concatenate(sorted_), aims, trained)


def _in_order(bins: NDArray[np.uint8], sizes: Sequence[int], aim: Floats) -> NDArray[np.uint8]:
    """Puts the codes of categorical parents in the order of the aim, at most `BINS` of them."""
    result = bins.copy()
    centred = aim - aim.mean()
    for j, size in enumerate(sizes):
        if size:
            codes = bins[j, : len(aim)]
            counts = np.bincount(codes, minlength=size)
            order = np.argsort(
                np.bincount(codes, centred, minlength=size) / (counts + SUPPORT), kind="stable"
            )
            rank = np.empty(size, dtype=np.uint8)
            share = (np.cumsum(counts[order]) - counts[order]) / len(aim)
            many = np.minimum(BINS * share, BINS - 1)  # codes that do not occur may come last
            rank[order] = many if size > BINS else np.arange(size)
            result[j] = rank[bins[j]]
    return result


def _together(fits: list[Fit]) -> Iterator[list[Fit]]:
    """Yields fits whose cells do not exceed `_MOST_CELLS`, or a single one."""
    some: list[Fit] = []
    cells = 0
    for fit in fits:
        own = len(fit.bins) * fit.trained
        if some and cells + own > _MOST_CELLS:
            yield some
            some, cells = [], 0
        some.append(fit)
        cells += own
    yield some
