from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.dags import sample_dag, sample_dags, topological_order
from lit_causalmix.errors import GeneratorError


@st.composite
def probabilities(draw: st.DrawFn) -> NDArray[np.float64]:
    d, seed = draw(st.integers(1, 8)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    total, share = rng.random((d, d)), rng.random((d, d))
    low = np.tril(np.ones((d, d)), -1) > 0
    if draw(st.booleans()):
        total = np.round(total)  # certain edges
    if draw(st.booleans()):
        share = np.round(share)
    forward = np.where(low, total * share, 0)
    return forward + np.where(low, total * (1 - share), 0).T


@given(probabilities(), st.integers(0, 2**32 - 1))
def test_graphs_are_acyclic_possible_and_a_function_of_the_generator(
    matrix: NDArray[np.float64], seed: int
) -> None:
    dags = sample_dags(matrix, 3, np.random.default_rng(seed))
    for dag in dags:
        assert nx.is_directed_acyclic_graph(nx.DiGraph(dag.astype(int)))
        assert not (dag & (matrix == 0)).any()
        position = np.argsort(topological_order(dag))
        assert all(position[i] < position[j] for i, j in np.argwhere(dag))
    assert (dags == sample_dags(matrix, 3, np.random.default_rng(seed))).all()


@given(probabilities(), st.integers(0, 2**32 - 1))
def test_a_skipped_edge_would_have_closed_a_cycle(matrix: NDArray[np.float64], seed: int) -> None:
    certain = (matrix == 1) & (matrix.T == 0)
    dag = sample_dag(matrix, np.random.default_rng(seed))
    for i, j in np.argwhere(certain & ~dag):
        assert nx.has_path(nx.DiGraph(dag.astype(int)), int(j), int(i))


def exact_frequencies(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Enumerates all draws over three nodes; all probabilities must differ."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.zeros((3, 3))
    for choice in product(range(3), repeat=3):
        weight, edges = 1.0, []
        for (i, j), c in zip(pairs, choice, strict=True):
            none = 1 - matrix[i, j] - matrix[j, i]
            weight *= (matrix[i, j], matrix[j, i], none)[c]
            edges += [[(i, j)], [(j, i)], []][c]
        graph = nx.DiGraph()
        graph.add_nodes_from(range(3))
        for i, j in sorted(edges, key=lambda e: -matrix[e]):
            if not nx.has_path(graph, j, i):
                graph.add_edge(i, j)
        for i, j in graph.edges:
            expected[i, j] += weight
    return expected


def test_frequencies_are_those_of_the_definition() -> None:
    matrix = np.array([[0, 0.7, 0.15], [0.2, 0, 0.6], [0.55, 0.25, 0]])
    expected = exact_frequencies(matrix)
    assert (expected[2, 0], expected[0, 1]) != (matrix[2, 0], matrix[0, 1])  # cycles do occur
    n = 20_000
    found = sample_dags(matrix, n, np.random.default_rng(0)).mean(axis=0)
    deviation = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(found - expected) <= 4 * deviation).all()


def test_without_cycles_the_frequency_is_the_probability() -> None:
    matrix = np.triu(np.full((4, 4), 0.3), 1)
    found = sample_dags(matrix, 5000, np.random.default_rng(0)).mean(axis=0)
    assert np.abs(found - matrix).max() < 0.03


def test_ties_are_broken_at_random() -> None:
    cycle = np.array([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    found = sample_dags(cycle, 3000, np.random.default_rng(0))
    assert (found.sum(axis=(1, 2)) == 2).all()
    assert np.abs(found.mean(axis=0)[cycle > 0] - 2 / 3).max() < 0.05


def test_required_edges_come_first() -> None:
    """Certain edges that close a cycle with required ones give way, whatever the tie."""
    certain = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=float)
    required = certain.astype(bool) & (np.arange(3) != 1)[:, None]
    dags = sample_dags(certain, 50, np.random.default_rng(0), required)
    assert (dags == required).all()
    assert (sample_dags(certain, 50, np.random.default_rng(0)) != required).any()


def test_cycle_is_named() -> None:
    cycle = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    with pytest.raises(GeneratorError, match=r"acyclic, but nodes \[0, 1, 2\]"):
        topological_order(cycle)


@pytest.mark.parametrize(
    ("matrix", "rule"),
    [
        (np.zeros((2, 3)), "square"),
        (np.full((2, 2), np.nan), "finite"),
        (np.array([[0, -0.1], [0, 0]]), ">= 0"),
        (np.eye(2), "diagonal"),
        (np.array([[0, 0.7], [0.7, 0]]), "at most 1"),
    ],
)
def test_matrices_that_are_no_probabilities(matrix: NDArray[np.float64], rule: str) -> None:
    with pytest.raises(GeneratorError, match=rule):
        sample_dag(matrix, np.random.default_rng(0))
