"""Orientation rules of PC and FCI on matrices, without regard to the order of the columns.

Every rule is applied to all places at once. Where two applications contradict each other, the
edge stays open (after Colombo and Maathuis, JMLR 2014). A matrix of end marks is int64 (d, d) as
in causal-learn: [i, j] is the mark at i of the edge between i and j, 0 without an edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.edges import ARROW, CIRCLE, TAIL
from lit_causalmix.causal.skeleton import Skeleton

Marks = NDArray[np.int64]


def colliders(graph: Skeleton) -> NDArray[np.bool_]:
    """Finds x *→ z ←* y: x and y not adjacent, and z in none of the sets that separate them.

    Returns:
        bool (d, d, d), [x, z, y]; symmetric in x and y.
    """
    joined = graph.adjacent[:, :, None] & graph.adjacent[None, :, :]
    apart = ~graph.adjacent & (graph.separations > 0)
    never = (graph.separating == 0).transpose(0, 2, 1)
    found: NDArray[np.bool_] = joined & apart[:, None, :] & never
    return found


def pc_marks(graph: Skeleton) -> Marks:
    """Orients colliders, then closes under Meek's rules 1 to 3."""
    into = colliders(graph).any(axis=2)
    directed: NDArray[np.bool_] = into & ~into.T
    undirected: NDArray[np.bool_] = graph.adjacent & ~(into | into.T)
    apart = ~graph.adjacent
    np.fill_diagonal(apart, False)
    while True:
        d, u = directed.astype(np.float32), undirected.astype(np.float32)
        away = _pairs(d, u, apart)  # a → b – c, a and c apart: b → c
        acyclic = (d @ d > 0) & undirected  # a → b → c, a – c: a → c
        new = (away | acyclic | _kites(directed, undirected, apart)) & undirected
        new &= ~new.T
        if not new.any():
            break
        directed |= new
        undirected &= ~(new | new.T)
    marks = np.zeros(graph.adjacent.shape, dtype=np.int64)
    marks[graph.adjacent] = TAIL
    marks[(directed | (into & into.T)).T] = ARROW
    return marks


def _pairs(
    into: NDArray[np.float32], out: NDArray[np.float32], apart: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Says for which b, c there is an a with into[a, b], out[b, c] and a apart from c."""
    found: NDArray[np.bool_] = (into.T @ apart.astype(np.float32) > 0) & (out > 0)
    return found


def _kites(
    into: NDArray[np.bool_], open_: NDArray[np.bool_], apart: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Says for which a, b there are c, e with a – c → b, a – e → b, and c apart from e."""
    found = np.zeros_like(into)
    for a, b in np.argwhere(open_):
        via = np.flatnonzero(open_[a] & into[:, b])
        found[a, b] = len(via) > 1 and apart[np.ix_(via, via)].any()
    return found


def possible_d_sep(graph: Skeleton) -> NDArray[np.bool_]:
    """Finds the columns reachable on paths all of whose triples are colliders or triangles.

    Returns:
        bool (d, d): [x, z] says that z is possibly d-separating for x.
    """
    from scipy.sparse import csr_array

    adjacent = graph.adjacent
    d = len(adjacent)
    steps = np.argwhere(adjacent)  # a → b
    number = np.zeros((d, d), dtype=np.int64)
    number[tuple(steps.T)] = np.arange(len(steps))
    triangle = adjacent[:, :, None] & adjacent[None, :, :] & adjacent[:, None, :]
    a, b, c = np.nonzero(colliders(graph) | triangle)
    follows = csr_array(
        (np.ones(len(a), dtype=np.float32), (number[b, c], number[a, b])), shape=(len(steps),) * 2
    )
    reached = np.zeros((len(steps), d), dtype=bool)  # which steps can be taken, coming from where
    reached[np.arange(len(steps)), steps[:, 0]] = True
    fresh = reached
    while fresh.any():
        fresh = (follows @ fresh.astype(np.float32) > 0) & ~reached
        reached = reached | fresh
    found = np.zeros((d, d), dtype=bool)
    np.logical_or.at(found, steps[:, 1], reached)
    found = found.T
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
    collider = colliders(graph)
    marks = np.where(adjacent, CIRCLE, 0).astype(np.int64)
    marks[collider.any(axis=2).T] = ARROW
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
        third = _double_triangles(head, circle, apart)
        _set_heads(marks, (first & circle | second | third) & ~(first & first.T))
        tails = first & ~first.T & (marks == CIRCLE)
        marks[tails] = TAIL
        if (marks == before).all():
            _discriminate(marks, graph)
        if (marks == before).all():
            return marks


def _set_heads(marks: Marks, heads: NDArray[np.bool_]) -> None:
    marks[(heads.T) & (marks == CIRCLE)] = ARROW


def _double_triangles(
    head: NDArray[np.bool_], circle: NDArray[np.bool_], apart: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Says for which t, b: a *→ b ←* c, a *–o t o–* c, a and c apart, t *–o b."""
    found = np.zeros_like(head)
    for t, b in np.argwhere(circle):
        via = np.flatnonzero(head[:, b] & circle[:, t])
        found[t, b] = len(via) > 1 and apart[np.ix_(via, via)].any()
    return found


def _discriminate(marks: Marks, graph: Skeleton) -> None:
    """Applies rule 4 wherever a path discriminates b for c (changes `marks`).

    On e *→ … ↔ a ↔ b with every inner column a parent of c, and e apart from c: b → c where b
    separates e and c, else a ↔ b ↔ c.
    """
    head = (marks == ARROW).T
    parent = head & (marks == TAIL)
    tails, heads = [], []
    for b, c in np.argwhere((marks == CIRCLE) & (marks != 0)):
        # b o–* c, and a neighbour a with b *→ a → c.
        starts = np.flatnonzero(head[b] & parent[:, c])
        for a in starts.tolist():
            end = _end_of_path(head, parent, graph, a, int(b), int(c))
            if end is None:
                continue
            if 2 * graph.separating[end, c, b] > graph.separations[end, c]:
                tails.append((b, c))
            else:
                heads.extend([(a, b), (b, a), (c, b), (b, c)])
    for b, c in tails:
        marks[b, c] = TAIL
        marks[c, b] = ARROW
    for x, y in heads:
        if marks[y, x] == CIRCLE:
            marks[y, x] = ARROW


def _end_of_path(
    head: NDArray[np.bool_],
    parent: NDArray[np.bool_],
    graph: Skeleton,
    a: int,
    b: int,
    c: int,
) -> int | None:
    """Walks from a away from b over colliders that are parents of c, to a column apart from c."""
    seen, queue = {a, b, c}, [a]
    while queue:
        node = queue.pop(0)
        for e in np.flatnonzero(head[:, node]).tolist():
            if e in seen:
                continue
            seen.add(e)
            if not graph.adjacent[e, c]:
                if graph.separations[e, c]:
                    return int(e)
            elif parent[e, c] and head[node, e]:
                queue.append(e)
    return None
