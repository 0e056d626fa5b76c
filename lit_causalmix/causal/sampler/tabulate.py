"""Exact tabulation of scores whose parents have few bins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.sampler.scores import Bins, Scores, TableScores

CELLS = 4096
"""Largest table that replaces a computation [our choice]."""


def tabulate(
    scores: Scores,
    bins: Sequence[Bins],
    then: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> TableScores | None:
    """Evaluates `then(scores)` once for every combination of the parents' bins.

    Args:
        scores: A function that is constant within each combination of bins.
        bins: One per parent that the scores read.
        then: Applied to the scores (cells, K) before they are stored.

    Returns:
        The table, or None where it would have more than `CELLS` cells.
    """
    sizes = [b.count for b in bins]
    cells = math.prod(sizes)
    if cells > CELLS:
        return None
    values = np.zeros((cells, max((b.node for b in bins), default=0) + 1))
    positions = np.unravel_index(np.arange(cells), sizes) if sizes else ()
    for b, position in zip(bins, positions, strict=True):
        values[:, b.node] = b.representatives()[position]
    return TableScores(tuple(bins), then(scores(values)))
