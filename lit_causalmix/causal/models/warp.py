"""Columns on the scale of their normal scores, and back: tails that no additive noise distorts.

Additive noise around a regression, kept in the training range, moves the mean of a column with
heavy tails, and every column after it. On normal scores (the Gaussian copula that discovery tests
on, see `encoding`) all columns have light tails, and the way back through the empirical quantiles
restores the shape of the column: a post-nonlinear model (Zhang and Hyvärinen, UAI 2009) whose
outer function is fixed beforehand [our choice].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.fit import NodeData
from lit_causalmix.tables.scaling import location_scale

SCALES = ("raw", "auto", "quantile")
"""Whether no, some or all numerical nodes are modelled as normal scores."""

HEAVY = 6.0
"""Kurtosis above which a column counts as heavy-tailed; 3 for a Gaussian [our choice]."""


@dataclass(frozen=True, eq=False)
class Warp:
    """The quantiles of one numerical column.

    Attributes:
        column: Index in the coded matrix.
        quantiles: float64 (m,), the known training values in order.
        integer: Whether the column holds whole numbers.
    """

    column: int
    quantiles: NDArray[np.float64]
    integer: bool

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the mean normal score of the ranks of each value; linear in between."""
        known, first, counts = np.unique(self.quantiles, return_index=True, return_counts=True)
        means = np.add.reduceat(self._grid, first) / counts
        found: NDArray[np.float64] = np.interp(values, known, means)
        return found

    def values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reverses `scores`: exactly for training values, within their range for all others."""
        found = np.interp(scores, self._grid, self.quantiles)
        return np.rint(found) if self.integer else found

    @cached_property
    def _grid(self) -> NDArray[np.float64]:
        from scipy.special import ndtri

        m = len(self.quantiles)
        grid: NDArray[np.float64] = ndtri((np.arange(m) + 0.5) / m)
        return grid


def heavy_tailed(values: NDArray[np.float64]) -> bool:
    """Whether the kurtosis of a column, float64 (n,), exceeds `HEAVY`."""
    location, scale = location_scale(values[:, None])
    standard = (values - location) / scale
    return float((standard**4).mean()) > HEAVY


def warp_nodes(
    data: NodeData, nodes: Sequence[int], scale: str
) -> tuple[NodeData, tuple[Warp, ...]]:
    """Puts numerical nodes on the scale of their normal scores.

    Args:
        data: The d nodes.
        nodes: Their columns in the coded matrix.
        scale: Out of `SCALES`.

    Returns:
        The nodes as they are to be modelled, and the way back for those that changed.
    """
    values, columns, warps = data.values.copy(), list(data.columns), []
    for j, (node, column) in enumerate(zip(nodes, data.columns, strict=True)):
        known = np.sort(data.values[~data.missing[:, j], j])
        if not column.is_numerical or scale == "raw":
            continue
        if scale == "auto" and not heavy_tailed(known):
            continue
        warp = Warp(node, known, column.integer)
        values[:, j] = warp.scores(values[:, j])
        columns[j] = replace(column, integer=False)
        warps.append(warp)
    return NodeData(tuple(columns), values, data.missing), tuple(warps)
