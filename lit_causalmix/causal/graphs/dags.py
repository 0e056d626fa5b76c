"""Directed acyclic graphs drawn from edge probabilities."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError


def topological_order(adjacency: NDArray[np.bool_]) -> list[int]:
    """Returns the nodes such that parents precede children, the lowest index first among equals.

    Args:
        adjacency: bool (d, d), [i, j] is True for i → j.

    Raises:
        GeneratorError: If the graph has a cycle; the nodes on or behind it are named.

    Example:
        >>> topological_order(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]], dtype=bool))
        [2, 1, 0]
    """
    import networkx as nx

    graph = nx.from_numpy_array(adjacency, create_using=nx.DiGraph)
    order: list[int] = []
    try:
        for node in nx.lexicographical_topological_sort(graph):
            order.append(node)
    except nx.NetworkXUnfeasible as error:
        stuck = sorted(set(range(len(adjacency))) - set(order))
        raise GeneratorError(
            f"the graph must be acyclic, but nodes {stuck} wait for each other"
        ) from error
    return order


def acyclic(edges: Iterable[tuple[int, int]], d: int) -> NDArray[np.bool_]:
    """Inserts edges in their order and skips each that would close a cycle.

    Args:
        edges: Pairs (i, j) for i → j, of different nodes.
        d: Number of nodes.

    Returns:
        Adjacency, bool (d, d).

    >>> acyclic([(0, 1), (1, 2), (2, 0)], 3).astype(int).tolist()
    [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    """
    adjacency = np.zeros((d, d), dtype=bool)
    reaches = np.eye(d, dtype=bool)  # [i, j]: a directed path leads from i to j
    for i, j in edges:
        if not reaches[j, i]:
            adjacency[i, j] = True
            reaches |= np.outer(reaches[:, i], reaches[j])
    return adjacency


def sample_dag(
    probabilities: NDArray[np.float64],
    rng: np.random.Generator,
    required: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Draws one directed acyclic graph [our choice; the paper's way is not known to us].

    For each unordered pair one of i → j (with P[i, j]), j → i (with P[j, i]) and no edge is drawn.
    The drawn edges are inserted in order of decreasing probability, ties in random order; an edge
    that would close a cycle is skipped. Required edges come first, so that none is skipped.

    Args:
        probabilities: float64 (d, d), entries >= 0, zero diagonal, P[i, j] + P[j, i] <= 1.
        rng: Source of all randomness.
        required: bool (d, d), acyclic edges of probability 1 that every graph holds.

    Returns:
        Adjacency, bool (d, d), [i, j] is True for i → j.

    Raises:
        GeneratorError: If the matrix breaks one of the rules above.

    Example:
        >>> certain = np.array([[0.0, 1.0], [0.0, 0.0]])
        >>> sample_dag(certain, np.random.default_rng(0)).astype(int).tolist()
        [[0, 1], [0, 0]]
    """
    check_probabilities(probabilities)
    d = len(probabilities)
    low, high = np.triu_indices(d, k=1)
    forward, backward = probabilities[low, high], probabilities[high, low]
    draw = rng.random(len(low))
    is_forward = draw < forward
    drawn = draw < forward + backward
    start, end = np.where(is_forward, low, high)[drawn], np.where(is_forward, high, low)[drawn]
    shuffle = rng.permutation(len(start))
    start, end = start[shuffle], end[shuffle]
    given = np.zeros((d, d), dtype=bool) if required is None else required
    order = np.lexsort((-probabilities[start, end], ~given[start, end]))  # the last key leads
    return acyclic(zip(start[order].tolist(), end[order].tolist(), strict=True), d)


def sample_dags(
    probabilities: NDArray[np.float64],
    n_dags: int,
    rng: np.random.Generator,
    required: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Draws an ensemble of independent graphs, bool (n_dags, d, d); see `sample_dag`."""
    return np.stack([sample_dag(probabilities, rng, required) for _ in range(n_dags)])


def check_probabilities(probabilities: NDArray[np.float64]) -> None:
    """Refuses a matrix that does not hold probabilities of directed edges.

    Raises:
        GeneratorError: With the rule that is broken.
    """
    shape = probabilities.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise GeneratorError(f"edge probabilities must be a square matrix, got shape {shape}")
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise GeneratorError("edge probabilities must be finite and >= 0")
    if np.diagonal(probabilities).any():
        raise GeneratorError("edge probabilities must be 0 on the diagonal")
    if (most := float((probabilities + probabilities.T).max(initial=0.0))) > 1 + 1e-9:
        raise GeneratorError(f"P[i, j] + P[j, i] must be at most 1, got {most:.3g}")
