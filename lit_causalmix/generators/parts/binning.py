"""Columns as a limited number of classes, for backbones that classify."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantile_bins(values: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """Sorts numbers into bins that are about equally filled, as far as ties allow.

    Args:
        values: float64 (n,), without NaN.
        n_bins: Most bins; where there are no more distinct values, each has its own.

    Returns:
        The bin of each value, int64 (n,), from 0 on; ascending with the values, none is empty. Two
        at least, if `n_bins` and the values are.
    """
    distinct, bins = np.unique(values, return_inverse=True)
    if len(distinct) > n_bins:
        cuts = np.quantile(values, np.arange(1, n_bins) / n_bins)
        _, bins = np.unique(np.searchsorted(cuts, values), return_inverse=True)
        if n_bins > 1 and bins.max() == 0:  # so many are the largest that every cut is
            bins = values == distinct[-1]
    return bins.astype(np.int64)


def frequent_categories(codes: NDArray[np.float64], n_classes: int) -> NDArray[np.int64]:
    """Gives each of the most frequent categories a class, and all others together the last one.

    Args:
        codes: float64 (n,), without NaN.
        n_classes: Most classes; where there are no more categories, each has its own.

    Returns:
        The class of each cell, int64 (n,), from 0 on; none is empty.
    """
    found, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty(len(found), dtype=np.int64)
    rank[np.lexsort((found, -counts))] = np.arange(len(found))
    return np.asarray(np.minimum(rank, n_classes - 1)[inverse], dtype=np.int64)


def draw_classes(probabilities: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws a class per row, int64 (n,), from probabilities, float64 (n, K)."""
    ends = np.cumsum(probabilities, axis=1)
    u = rng.random(len(probabilities)) * ends[:, -1]
    drawn = np.minimum((u[:, None] >= ends).sum(axis=1), ends.shape[1] - 1)
    return np.asarray(drawn, dtype=np.int64)


def draw_members(
    chosen: NDArray[np.int64],
    classes: NDArray[np.int64],
    cells: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draws for each chosen class one of its cells, all alike, float64 (n,).

    Args:
        chosen: int64 (n,).
        classes: int64 (m,), class of each cell; every chosen one has a cell.
        cells: float64 (m,).
        rng: Source of randomness.
    """
    order = np.argsort(classes, kind="stable")
    counts = np.bincount(classes)
    starts = np.cumsum(counts) - counts
    place = (rng.random(len(chosen)) * counts[chosen]).astype(np.int64)
    return np.asarray(cells[order[starts[chosen] + place]])
