"""Orientation rules of PC and FCI on matrices, without regard to the order of the columns.

Every rule is applied to all places at once. Where two applications contradict each other, the
edge stays open (after Colombo and Maathuis, JMLR 2014); of two of PC's colliders that contradict
each other the one counts whose outer columns look more independent [our choice]. A matrix of
end marks is int64 (d, d) as in causal-learn: [i, j] is the mark at i of the edge between i and j, 0
without an edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import ARROW, CIRCLE, TAIL
from lit_causalmix.causal.search.skeleton import Skeleton

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
    directed = _consistent(colliders(graph), graph.evidence)
    undirected: NDArray[np.bool_] = graph.adjacent & ~(directed | directed.T)
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
    marks[directed.T] = ARROW
    return marks


def _consistent(found: NDArray[np.bool_], evidence: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Orients the colliders in order of evidence, but for those that contradict a better one."""
    x, z, y = np.nonzero(found)
    x, z, y = x[x < y], z[x < y], y[x < y]
    directed = np.zeros(evidence.shape, dtype=bool)
    for k in np.argsort(-evidence[x, y], kind="stable"):
        if not directed[z[k], [x[k], y[k]]].any():
            directed[[x[k], y[k]], z[k]] = True
    return directed


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
    tails, heads = np.zeros_like(head), []
    for b, c in np.argwhere(marks == CIRCLE).tolist():
        # b o–* c, and neighbours a with b *→ a → c.
        paths = [
            (a, _ends_of_paths(head, parent, graph, a, b, c))
            for a in np.flatnonzero(head[b] & parent[:, c]).tolist()
        ]
        ends = [end for _, found in paths for end in found]
        if 2 * graph.separating[ends, c, b].sum() > graph.separations[ends, c].sum():
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
