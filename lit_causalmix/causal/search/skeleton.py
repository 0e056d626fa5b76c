"""Adjacency search: which columns stay dependent whatever is conditioned on.

The stable variant of the PC algorithm (Colombo and Maathuis, JMLR 2014), all tests of a level at
once, so that the order of the columns has no influence; and the second phase of FCI (Spirtes,
Glymour and Scheines, Causation, Prediction and Search, ch. 6) bounded to small sets, as in the
anytime variant (Spirtes, AISTATS 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.search.independence import Correlations


@dataclass
class Skeleton:
    """An undirected graph, and the sets that separate the columns it does not join.

    Attributes:
        adjacent: bool (d, d), symmetric.
        separating: int32 (d, d, d): [x, y, z] counts the separating sets of x and y with z in
            them, among those found at the level at which the edge went.
        separations: int64 (d, d), how many separating sets were found there.
        evidence: float64 (d, d), the largest p-value among them.
        shortened: Pairs whose candidates at some level were cut for want of budget.
    """

    adjacent: NDArray[np.bool_]
    separating: NDArray[np.int32]
    separations: NDArray[np.int64]
    evidence: NDArray[np.float64]
    shortened: int = 0

    @classmethod
    def complete(cls, d: int) -> Skeleton:
        zeros = np.zeros((d, d), dtype=np.int64)
        return cls(
            ~np.eye(d, dtype=bool), np.zeros((d, d, d), dtype=np.int32), zeros, np.zeros((d, d))
        )

    def copy(self) -> Skeleton:
        return Skeleton(
            self.adjacent.copy(),
            self.separating.copy(),
            self.separations.copy(),
            self.evidence.copy(),
            self.shortened,
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
        adjacent = graph.adjacent.copy()
        pairs = np.argwhere(adjacent)
        neighbours = {x: np.flatnonzero(row) for x, row in enumerate(adjacent)}
        candidates = [neighbours[x][neighbours[x] != y] for x, y in pairs.tolist()]
        if not _remove(graph, correlations, alpha, pairs, candidates, level, allowance):
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
        pairs = np.argwhere(graph.adjacent)
        candidates, known = [], []
        for x, y in pairs.tolist():
            near = reachable[x].copy()
            near[[x, y]] = False
            candidates.append(np.flatnonzero(near))
            known.append(first[x])
        _remove(graph, correlations, alpha, pairs, candidates, level, allowance, known)


def _remove(
    graph: Skeleton,
    correlations: Correlations,
    alpha: float,
    pairs: NDArray[np.int64],
    candidates: list[NDArray[np.int64]],
    level: int,
    allowance: Allowance,
    known: list[NDArray[np.bool_]] | None = None,
) -> bool:
    """Runs one level over ordered pairs; returns whether there was anything to test.

    Sets within `known` neighbours have been tested before.
    """
    sizes = np.array([len(c) for c in candidates], dtype=np.int64)
    if len(sizes) == 0 or sizes.max() < level:
        return False
    if level and (limit := allowance.most_candidates(sizes, level)) < sizes.max():
        graph.shortened += int((sizes > limit).sum())
        strength = correlations.strength
        candidates = [
            c
            if len(c) <= limit
            else _strongest(c, np.minimum(strength[x, c], strength[y, c]), limit)
            for (x, y), c in zip(pairs.tolist(), candidates, strict=True)
        ]
    keys = _keys(pairs, candidates, level, known)
    if len(keys) == 0:
        return True
    p = correlations.p_values(keys)
    independent, p = keys[p > alpha], p[p > alpha]
    x, y = independent[:, 0], independent[:, 1]
    for a, b in ((x, y), (y, x)):
        graph.adjacent[a, b] = False
        np.add.at(graph.separations, (a, b), 1)
        np.maximum.at(graph.evidence, (a, b), p)
        for z in independent[:, 2:].T:
            np.add.at(graph.separating, (a, b, z), 1)
    return True


def _strongest(
    candidates: NDArray[np.int64], strength: NDArray[np.float64], limit: int
) -> NDArray[np.int64]:
    return np.sort(candidates[np.argsort(-strength, kind="stable")[:limit]])


def _keys(
    pairs: NDArray[np.int64],
    candidates: list[NDArray[np.int64]],
    level: int,
    known: list[NDArray[np.bool_]] | None,
) -> NDArray[np.int64]:
    choices: dict[int, NDArray[np.int64]] = {}
    parts = [np.empty((0, level), dtype=np.int64)]
    counts = np.zeros(len(pairs), dtype=np.int64)
    for i, own in enumerate(candidates):
        m = len(own)
        if m < level:
            continue
        if m not in choices:
            choices[m] = np.array([*combinations(range(m), level)], dtype=np.int64)
        sets = own[choices[m]] if level else np.empty((1, 0), dtype=np.int64)
        if known is not None:
            sets = sets[~known[i][sets].all(axis=1)]
        counts[i] = len(sets)
        parts.append(sets)
    return np.concatenate([np.repeat(pairs, counts, axis=0), np.concatenate(parts)], axis=1)
