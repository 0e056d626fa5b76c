"""Compiled scores as torch operations on any device, with the arrays of the numpy ones.

Shape legend: n = rows, d = nodes, K = outputs, T = trees, B = bins. Everything is float64: numbers
agree with numpy's to rounding, and sums over trees are added in the same order, since a sum can
meet a child's threshold exactly, where the last bit decides. Only the products of linear scores
leave that order to the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.causal.forest_scores import ForestScores
from lit_causalmix.causal.scores import (
    FIRST_LEAF,
    Bins,
    BoostedScores,
    LinearScores,
    Scores,
    TableScores,
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of the table that is being filled.

    Attributes:
        values: float64 (d, all rows).
        index: Which rows: a slice, or int64 (n,).
    """

    values: Tensor
    index: slice | Tensor

    def column(self, node: int) -> Tensor:
        return self.values[node][self.index]

    def numpy(self) -> NDArray[np.float64]:
        """Returns all nodes, float64 (n, d), on the CPU."""
        found: NDArray[np.float64] = self.values[:, self.index].T.cpu().numpy()
        return found


Score = Callable[[Rows], Tensor]
"""Computes scores, float64 (n, K)."""

_Bin = Callable[[Rows], Tensor]


def score_function(scores: Scores, device: torch.device) -> Score:
    """Moves scores to a device; those of a type unknown here stay numpy's, on the CPU."""
    make: Callable[[Any, torch.device], Score] = _SCORES.get(type(scores), _bridge)
    return make(scores, device)


def score_parents(scores: Scores) -> frozenset[int] | None:
    """Returns the nodes that scores read, or None where their type does not tell."""
    find = _PARENTS.get(type(scores))
    return None if find is None else frozenset(find(scores))


def _bridge(scores: Scores, device: torch.device) -> Score:
    return lambda rows: tensor(scores(rows.numpy()), device)


def _linear(scores: LinearScores, device: torch.device) -> Score:
    numerical = scores.numerical.tolist()
    weights, intercept = tensor(scores.weights, device), tensor(scores.intercept, device)
    tables = [(t.node, tensor(t.rows, device)) for t in scores.categorical]

    def evaluate(rows: Rows) -> Tensor:
        total = intercept
        if numerical:
            design = torch.stack([rows.column(node) for node in numerical], dim=1)
            total = torch.addmm(intercept, design, weights)
        for node, table in tables:
            total = total + table[rows.column(node).long()]
        return total

    return evaluate


def _boosted(scores: BoostedScores, device: torch.device) -> Score:
    reached = _reach([*zip(scores.bins, scores.masks, strict=True)], device)
    first, leaves = tensor(FIRST_LEAF, device), tensor(scores.leaves, device)
    start = torch.arange(len(leaves), device=device) * leaves.shape[1]

    def evaluate(rows: Rows) -> Tensor:
        if reached is None:
            return _constant(rows, scores)
        leaf = first[reached(rows).int()] + start
        added = leaves.flatten()[leaf.T].view(-1, scores.outputs, leaf.shape[0])
        total = _in_order(added)
        return (total * scores.scale + scores.location).T

    return evaluate


def _forest(scores: ForestScores, device: torch.device) -> Score:
    reached = _reach([*zip(scores.bins, scores.masks, strict=True)], device)
    leaves = tensor(scores.leaves, device)
    start = torch.arange(len(leaves), device=device) * leaves.shape[1]

    def evaluate(rows: Rows) -> Tensor:
        if reached is None:
            return _constant(rows, scores)
        reach = reached(rows)
        lowest = (reach & -reach).double()  # a power of two, so exact
        leaf = torch.frexp(lowest).exponent.long() - 1 + start
        total = _in_order(leaves.flatten(0, 1)[leaf.T]) / len(leaves)
        total = total * scores.scale + scores.location
        return torch.log(total) if scores.logarithm else total

    return evaluate


def _constant(rows: Rows, scores: Scores) -> Tensor:
    """Trees without a split: the same scores for all rows."""
    n = rows.column(0).shape[0]
    return tensor(scores(np.empty((1, 0))), rows.values.device).expand(n, -1)


def _reach(
    parts: list[tuple[Bins, NDArray[Any]]], device: torch.device
) -> Callable[[Rows], Tensor] | None:
    """Returns a function to the leaves within reach, (n, T); None where no tree has a split."""
    tables = [(_bins(bins, device), tensor(masks, device)) for bins, masks in parts]
    if not tables:
        return None

    def reached(rows: Rows) -> Tensor:
        (first, masks), *others = tables
        reach = masks[first(rows)]
        for bins, table in others:
            reach &= table[bins(rows)]
        return reach

    return reached


def _in_order(terms: Tensor) -> Tensor:
    """Sums over the first axis, one after another on every device."""
    total = terms[0].clone()
    for term in terms[1:]:
        total += term
    return total


def _table(scores: TableScores, device: torch.device) -> Score:
    bins = [(b.count, _bins(b, device)) for b in scores.bins]
    table = tensor(scores.table, device)

    def evaluate(rows: Rows) -> Tensor:
        if not bins:
            return _constant(rows, scores)
        cell = bins[0][1](rows)
        for count, found in bins[1:]:
            cell = cell * count + found(rows)
        return table[cell]

    return evaluate


def _bins(bins: Bins, device: torch.device) -> _Bin:
    thresholds, node = tensor(bins.thresholds, device), bins.node
    if len(bins.thresholds):
        return lambda rows: torch.searchsorted(thresholds, rows.column(node).contiguous())
    return lambda rows: rows.column(node).long()


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copies an array to a device; the type stays."""
    return torch.tensor(array, device=device)


_SCORES: dict[type, Callable[[Any, torch.device], Score]] = {
    LinearScores: _linear,
    BoostedScores: _boosted,
    ForestScores: _forest,
    TableScores: _table,
}


def _binned(scores: BoostedScores | ForestScores | TableScores) -> list[int]:
    return [b.node for b in scores.bins]


def _linear_parents(scores: LinearScores) -> list[int]:
    return [*scores.numerical.tolist(), *(t.node for t in scores.categorical)]


_PARENTS: dict[type, Callable[[Any], list[int]]] = {
    LinearScores: _linear_parents,
    BoostedScores: _binned,
    ForestScores: _binned,
    TableScores: _binned,
}
