"""Adjacency search: which columns stay dependent whatever is conditioned on.

The stable variant of the PC algorithm (Colombo and Maathuis, JMLR 2014), all tests of a level at
once, so that the order of the columns has no influence; and the second phase of FCI (Spirtes,
Glymour and Scheines, Causation, Prediction and Search, ch. 6) bounded to small sets, as in the
anytime variant (Spirtes, AISTATS 2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.separating import SeparatingSets

FEW = 8
"""Up to so many strongest candidates are found one by one, which is faster than sorting all."""


@dataclass
class Skeleton:
    """An undirected graph, and the sets that separate the columns it does not join.

    Attributes:
        adjacent: bool (d, d), symmetric.
        separating: For each pair, the columns in its separating sets, among those found at the
            level at which the edge went.
        separations: int64 (d, d), how many separating sets were found there.
        evidence: float64 (d, d), the largest p-value among them.
        shortened: Pairs whose candidates at some level were cut for want of budget.
    """

    adjacent: NDArray[np.bool_]
    separating: SeparatingSets
    separations: NDArray[np.int64]
    evidence: NDArray[np.float64]
    shortened: int = 0

    @classmethod
    def complete(cls, d: int) -> Skeleton:
        zeros = np.zeros((d, d), dtype=np.int64)
        return cls(~np.eye(d, dtype=bool), SeparatingSets(d), zeros, np.zeros((d, d)))

    def copy(self) -> Skeleton:
        return replace(
            self,
            adjacent=self.adjacent.copy(),
            separating=self.separating.copy(),
            separations=self.separations.copy(),
            evidence=self.evidence.copy(),
        )


@dataclass
class Allowance:
    """Tests that one run may still ask for, counted alike on every machine."""

    tests: int

    def most_candidates(self, sizes: NDArray[np.int64], level: int) -> int:
        """Says how many candidates each pair may draw its sets from, and takes the tests off.

        Args:
            sizes: int64 (m,), how many candidates each pair has.
            level: Size of the sets.
        """
        present, counts = np.unique(sizes, return_counts=True)

        def cost(limit: int) -> int:
            return sum(
                comb(min(size, limit), level) * count
                for size, count in zip(present.tolist(), counts.tolist(), strict=True)
            )

        low, high = 0, int(present[-1])
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if cost(middle) <= self.tests else (low, middle - 1)
        self.tests -= cost(low)
        return low


def find_skeleton(
    correlations: Correlations, alpha: float, depth: int, allowance: Allowance
) -> Skeleton:
    """Removes edges by conditioning on ever larger sets of neighbours, up to `depth` of them.

    Where the tests of a level exceed the allowance, the pairs with the most neighbours draw their
    sets from those neighbours alone that go with both columns most strongly [our choice].
    """
    graph = Skeleton.complete(len(correlations.members))
    for level in range(depth + 1):
        if not _remove(graph, correlations, alpha, graph.adjacent.copy(), level, allowance):
            break
    return graph


def remove_by_possible_d_sep(
    graph: Skeleton,
    reachable: NDArray[np.bool_],
    correlations: Correlations,
    alpha: float,
    depth: int,
    allowance: Allowance,
) -> None:
    """Removes edges by conditioning on columns that need not be neighbours (changes `graph`).

    Args:
        graph: What `find_skeleton` found.
        reachable: bool (d, d): [x, z] says that z may separate x from something.
        correlations: As for `find_skeleton`.
        alpha: The same level.
        depth: Largest set.
        allowance: Tests left.
    """
    first = graph.adjacent.copy()
    for level in range(1, depth + 1):
        _remove(graph, correlations, alpha, reachable, level, allowance, first)


def _remove(
    graph: Skeleton,
    correlations: Correlations,
    alpha: float,
    near: NDArray[np.bool_],
    level: int,
    allowance: Allowance,
    known: NDArray[np.bool_] | None = None,
) -> bool:
    """Runs one level over ordered pairs; returns whether there was anything to test.

    The pair (x, y) draws its sets from `near[x]` without y; those within `known[x]` have been
    tested before.
    """
    # How many candidates each pair has.
    sizes = (near.sum(axis=1)[:, None] - near)[graph.adjacent]
    if len(sizes) == 0 or sizes.max() < level:
        return False
    limit = int(sizes.max())
    if level and (allowed := allowance.most_candidates(sizes, level)) < limit:
        limit = allowed
        graph.shortened += int((sizes > limit).sum())
    keys = _keys(graph.adjacent, near, level, limit, correlations, known)
    if len(keys) == 0:
        return True
    p = correlations.p_values(keys)
    independent, p = keys[p > alpha], p[p > alpha]
    x, y = independent[:, 0], independent[:, 1]
    for a, b in ((x, y), (y, x)):
        graph.adjacent[a, b] = False
        np.add.at(graph.separations, (a, b), 1)
        np.maximum.at(graph.evidence, (a, b), p)
    graph.separating.add(x, y, independent[:, 2:])
    return True


def _keys(
    adjacent: NDArray[np.bool_],
    near: NDArray[np.bool_],
    level: int,
    limit: int,
    correlations: Correlations,
    known: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """Lists the pairs with each set of `level` of their candidates, int64 (m, level + 2)."""
    if level == 0:
        return np.argwhere(adjacent)
    parts = [np.empty((0, level + 2), dtype=np.int64)]
    if limit >= level:
        for x, ys, candidates in _candidates(adjacent, near, limit, correlations):
            chosen = np.array([*combinations(range(candidates.shape[1]), level)], dtype=np.int64)
            if len(chosen) == 0:
                continue
            sets = candidates[:, chosen]
            keys = np.empty((*sets.shape[:2], level + 2), dtype=np.int64)
            keys[..., 0], keys[..., 1], keys[..., 2:] = x, ys[:, None], sets
            parts.append(
                keys.reshape(-1, level + 2) if known is None else keys[~known[x][sets].all(axis=2)]
            )
    return np.concatenate(parts)


def _candidates(
    adjacent: NDArray[np.bool_], near: NDArray[np.bool_], limit: int, correlations: Correlations
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yields columns x with their y (k,), and the candidates of each pair, (k, at most limit).

    These ascend. Where there are more, those are left that go with both columns most strongly.
    """
    for x in np.flatnonzero(adjacent.any(axis=1)).tolist():
        own = np.flatnonzero(near[x])
        for inside in (True, False):
            ys = np.flatnonzero(adjacent[x] & (near[x] == inside))
            if len(ys) == 0:
                continue
            others = own[None, :].repeat(len(ys), axis=0)
            others = others[others != ys[:, None]].reshape(len(ys), -1)
            if others.shape[1] > limit:
                strength = correlations.strength
                both = np.minimum(strength[x, others], strength[ys[:, None], others])
                others = np.take_along_axis(others, _strongest(both, limit), axis=1)
            yield x, ys, others


def _strongest(strength: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Returns the positions of the largest in each row, ascending; the first among equals."""
    if limit > FEW:
        return np.sort(np.argsort(-strength, axis=1, kind="stable")[:, :limit], axis=1)
    left, found = strength.copy(), np.empty((len(strength), limit), dtype=np.int64)
    for k in range(limit):
        found[:, k] = left.argmax(axis=1)
        np.put_along_axis(left, found[:, k, None], -np.inf, axis=1)
    return np.sort(found, axis=1)
