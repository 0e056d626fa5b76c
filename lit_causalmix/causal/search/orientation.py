"""Orientation rules of PC and FCI on matrices, without regard to the order of the columns.

Every rule is applied to all places at once. Where two applications contradict each other, the
edge stays open (after Colombo and Maathuis, JMLR 2014); of two of PC's colliders that contradict
each other the one counts whose outer columns look more independent [our choice]. A matrix of
end marks is int64 (d, d) as in causal-learn: [i, j] is the mark at i of the edge between i and j, 0
without an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import ARROW, CIRCLE, TAIL
from lit_causalmix.causal.search.skeleton import Skeleton

Marks = NDArray[np.int64]

_MOST_STEPS = 64_000_000
"""Bytes for the steps that paths can take, from as many columns at once as they suffice for."""


@dataclass(frozen=True, eq=False)
class _Triples:
    """Which pairs of a column's neighbours form a triple of some kind with it.

    Attributes:
        near: For each column z its k neighbours, ascending.
        pairs: For each column z, bool (k, k), symmetric.
    """

    near: list[NDArray[np.int64]]
    pairs: list[NDArray[np.bool_]]


def _colliders(graph: Skeleton) -> _Triples:
    """Finds x *→ z ←* y: x and y not adjacent, and z in none of the sets that separate them."""
    near = [np.flatnonzero(row) for row in graph.adjacent]
    apart = ~graph.adjacent & (graph.separations > 0)
    pairs = [apart[np.ix_(own, own)] for own in near]
    for z, (own, found) in enumerate(zip(near, pairs, strict=True)):
        x, y = np.nonzero(found)
        found[x, y] = graph.separating.count(own[x], own[y], z) == 0
    return _Triples(near, pairs)


def pc_marks(graph: Skeleton) -> Marks:
    """Orients colliders, then closes under Meek's rules 1 to 3."""
    directed = _consistent(_colliders(graph), graph.evidence)
    undirected: NDArray[np.bool_] = graph.adjacent & ~(directed | directed.T)
    apart = ~graph.adjacent
    np.fill_diagonal(apart, False)
    while True:
        d, u = directed.astype(np.float32), undirected.astype(np.float32)
        away = _pairs(d, u, apart)  # a → b – c, a and c apart: b → c
        acyclic = (d @ d > 0) & undirected  # a → b → c, a – c: a → c
        # a – c → b, a – e → b, c and e apart, a – b: a → b
        kites = _kites(undirected, directed, undirected, apart)
        new = (away & undirected) | acyclic | kites
        new &= ~new.T
        if not new.any():
            break
        directed |= new
        undirected &= ~(new | new.T)
    marks = np.zeros(graph.adjacent.shape, dtype=np.int64)
    marks[graph.adjacent] = TAIL
    marks[directed.T] = ARROW
    return marks


def _consistent(found: _Triples, evidence: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Orients the colliders in order of evidence, but for those that contradict a better one."""
    d = len(evidence)
    parts = [np.empty((3, 0), dtype=np.int64)]
    for z, (own, pairs) in enumerate(zip(found.near, found.pairs, strict=True)):
        i, j = np.nonzero(np.triu(pairs))
        parts.append(np.stack([own[i], np.full(len(i), z), own[j]]))
    x, z, y = np.concatenate(parts, axis=1)
    order = np.lexsort((y, z, x, -evidence[x, y]))  # the last key leads
    into, out = bytearray(d * d), (z * d)[order]  # bytes, as single items of arrays are slow
    for a, b, c, e in zip(*(k.tolist() for k in (x[order], z[order], y[order], out)), strict=True):
        if not (into[e + a] or into[e + c]):
            into[a * d + b] = into[c * d + b] = 1
    return np.frombuffer(into, dtype=bool).reshape(d, d).copy()


def _pairs(
    into: NDArray[np.float32], out: NDArray[np.float32], apart: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Says for which b, c there is an a with into[a, b], out[b, c] and a apart from c."""
    found: NDArray[np.bool_] = (into.T @ apart.astype(np.float32) > 0) & (out > 0)
    return found


def _kites(
    asked: NDArray[np.bool_],
    into: NDArray[np.bool_],
    open_: NDArray[np.bool_],
    apart: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Says for which of the a, b asked for there are c, e that form a kite with them.

    These are c and e apart with `into[c, b]`, `into[e, b]`, `open_[a, c]` and `open_[a, e]`.
    """
    found = np.zeros_like(asked)
    for b in np.flatnonzero(into.sum(axis=0) > 1).tolist():
        a, via = np.flatnonzero(asked[:, b]), np.flatnonzero(into[:, b])
        reach = open_[np.ix_(a, via)]
        joined = reach.astype(np.float32) @ apart[np.ix_(via, via)].astype(np.float32) > 0
        found[a, b] = (joined & reach).any(axis=1)
    return found


def possible_d_sep(graph: Skeleton) -> NDArray[np.bool_]:
    """Finds the columns reachable on paths all of whose triples are colliders or triangles.

    Returns:
        bool (d, d): [x, z] says that z is possibly d-separating for x.
    """
    adjacent, triples = graph.adjacent, _colliders(graph)
    d = len(adjacent)
    # The steps a → b, those to the same column one after another.
    ends = np.cumsum([0, *(len(own) for own in triples.near)])
    number = np.zeros((d, d), dtype=np.int64)  # [b, a]
    number[adjacent] = np.arange(ends[-1])
    goes_on = [
        (pairs | adjacent[np.ix_(own, own)]).astype(np.float32)
        for own, pairs in zip(triples.near, triples.pairs, strict=True)
    ]
    found = np.zeros((d, d), dtype=bool)
    for sources in np.array_split(np.arange(d), -(-ends[-1] * d // _MOST_STEPS) or 1):
        reached = np.zeros((ends[-1], len(sources)), dtype=bool)  # steps taken, coming from where
        for k, x in enumerate(sources.tolist()):
            reached[number[triples.near[x], x], k] = True
        fresh = reached
        while fresh.any():
            taken = np.zeros_like(reached)
            for b, own in enumerate(triples.near):
                come = fresh[ends[b] : ends[b + 1]]
                if come.any():
                    taken[number[own, b]] = goes_on[b] @ come > 0
            fresh = taken & ~reached
            reached = reached | fresh
        some = np.flatnonzero(np.diff(ends))
        found[np.ix_(sources, some)] = np.logical_or.reduceat(reached, ends[some], axis=0).T
    np.fill_diagonal(found, False)
    return found


def fci_marks(graph: Skeleton) -> Marks:
    """Orients colliders, then closes under FCI's rules 1 to 4, without selection bias.

    These find every arrow head (Ali et al., UAI 2005). The rules that only find tails (5 to 10 of
    Zhang, AIJ 2008) are left out: they change no vote.
    """
    adjacent = graph.adjacent
    apart = ~adjacent
    np.fill_diagonal(apart, False)
    marks = np.where(adjacent, CIRCLE, 0).astype(np.int64)
    collider = _colliders(graph)
    for z, (own, pairs) in enumerate(zip(collider.near, collider.pairs, strict=True)):
        marks[z, own[pairs.any(axis=1)]] = ARROW
    while True:
        before = marks.copy()
        head = (marks == ARROW).T  # [a, b]: a *→ b
        circle = (marks == CIRCLE).T  # [a, b]: a *–o b
        tail = (marks == TAIL).T
        f = np.float32
        parent = head & tail.T
        first = _pairs(head.astype(f), circle.T.astype(f), apart)  # a *→ b o–* c: b → c
        second = (
            (parent.astype(f) @ head.astype(f) > 0) | (head.astype(f) @ parent.astype(f) > 0)
        ) & circle
        # t, b with a *→ b ←* c, a *–o t o–* c, a and c apart, t *–o b
        third = _kites(circle, head, circle.T, apart)
        _set_heads(marks, (first & circle | second | third) & ~(first & first.T))
        tails = first & ~first.T & (marks == CIRCLE)
        marks[tails] = TAIL
        if (marks == before).all():
            _discriminate(marks, graph)
        if (marks == before).all():
            return marks


def _set_heads(marks: Marks, heads: NDArray[np.bool_]) -> None:
    marks[(heads.T) & (marks == CIRCLE)] = ARROW


def _discriminate(marks: Marks, graph: Skeleton) -> None:
    """Applies rule 4 wherever a path discriminates b for c (changes `marks`).

    On e *→ … ↔ a ↔ b with every inner column a parent of c, and e apart from c: b → c where b
    separates e and c, else a ↔ b ↔ c.
    """
    head = (marks == ARROW).T
    parent = head & (marks == TAIL)
    tails, heads = np.zeros_like(head), []
    for b, c in np.argwhere(marks == CIRCLE).tolist():
        # b o–* c, and neighbours a with b *→ a → c.
        paths = [
            (a, _ends_of_paths(head, parent, graph, a, b, c))
            for a in np.flatnonzero(head[b] & parent[:, c]).tolist()
        ]
        ends = [end for _, found in paths for end in found]
        if 2 * graph.separating.count(ends, c, b).sum() > graph.separations[ends, c].sum():
            tails[b, c] = True
        elif ends:
            heads += [(a, b) for a, found in paths if found] + [(c, b), (b, c)]
    tails &= ~tails.T
    marks[tails] = TAIL
    marks[tails.T] = ARROW
    for x, y in heads:
        if marks[y, x] == CIRCLE:
            marks[y, x] = ARROW


def _ends_of_paths(
    head: NDArray[np.bool_],
    parent: NDArray[np.bool_],
    graph: Skeleton,
    a: int,
    b: int,
    c: int,
) -> list[int]:
    """Walks from a away from b over colliders that are parents of c, to columns apart from c."""
    seen, queue, ends = {a, b, c}, [a], []
    while queue:
        node = queue.pop(0)
        for e in np.flatnonzero(head[:, node]).tolist():
            if e not in seen and not graph.adjacent[e, c] and graph.separations[e, c]:
                seen.add(e)
                ends.append(e)
            elif e not in seen and parent[e, c] and head[node, e]:
                seen.add(e)
                queue.append(e)
    return ends
