import contextlib
import io
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from causallearn.search.ConstraintBased.FCI import fci
from causallearn.search.ConstraintBased.PC import pc
from causallearn.utils.cit import CIT_Base, register_ci_test
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import ARROW, CIRCLE, TAIL, votes
from lit_causalmix.causal.search import orientation
from lit_causalmix.causal.search.orientation import fci_marks, pc_marks, possible_d_sep
from lit_causalmix.causal.search.skeleton import Skeleton


class Oracle(CIT_Base):  # type: ignore[misc] # causal-learn has no types
    """d-separation in a given DAG, of which only the first columns are seen."""

    def __init__(self, data: NDArray[np.float64], dag: nx.DiGraph, **kwargs: object) -> None:
        super().__init__(data, **kwargs)
        self.method, self.dag = "oracle", dag

    def __call__(self, X: int, Y: int, condition_set: object = None) -> float:
        given = set(map(int, condition_set or ()))  # type: ignore[call-overload]
        return float(nx.is_d_separator(self.dag, {int(X)}, {int(Y)}, given))


register_ci_test("oracle", Oracle)


def random_dag(seed: int, d: int) -> nx.DiGraph:
    rng = np.random.default_rng(seed)
    order = rng.permutation(d)
    dag = nx.DiGraph()
    dag.add_nodes_from(range(d))
    dag.add_edges_from(
        (int(order[i]), int(order[j])) for i, j in combinations(range(d), 2) if rng.random() < 0.35
    )
    return dag


def perfect_skeleton(dag: nx.DiGraph, seen: int, sets: int) -> Skeleton:
    """Removes every pair that some set of the seen columns separates, smallest sets first."""
    graph = Skeleton.complete(seen)
    for x, y in combinations(range(seen), 2):
        rest = [z for z in range(seen) if z not in (x, y)]
        for size in range(sets + 1):
            for given in combinations(rest, size):
                if nx.is_d_separator(dag, {x}, {y}, set(given)):
                    for a, b in ((x, y), (y, x)):
                        graph.adjacent[a, b] = False
                        graph.separations[a, b] += 1
                    graph.separating.add([x], [y], np.array([given], dtype=np.int64))
            if not graph.adjacent[x, y]:
                break
    return graph


@pytest.mark.parametrize("seed", range(8))
def test_pc_finds_the_equivalence_class_from_perfect_answers(seed: int) -> None:
    dag = random_dag(seed, 7)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = pc(np.zeros((10, 7)), 0.5, "oracle", show_progress=False, dag=dag).G.graph
    assert (pc_marks(perfect_skeleton(dag, 7, 5)) == theirs).all()


@pytest.mark.parametrize("seed", range(8))
def test_fci_votes_as_causal_learn_does_from_perfect_answers(seed: int) -> None:
    dag = random_dag(seed, 9)  # columns 7 and 8 are hidden
    with contextlib.redirect_stdout(io.StringIO()):
        graph, _ = fci(np.zeros((10, 7)), "oracle", 0.5, show_progress=False, dag=dag)
    assert (votes(fci_marks(perfect_skeleton(dag, 7, 5))) == votes(graph.graph)).all()


def skeleton(
    d: int,
    edges: list[tuple[int, int]],
    separating: list[tuple[int, int, int]],
    evidence: NDArray[np.float64] | None = None,
) -> Skeleton:
    graph = Skeleton.complete(d)
    graph.adjacent[:] = False
    for x, y in edges:
        graph.adjacent[x, y] = graph.adjacent[y, x] = True
    graph.separations[:] = ~graph.adjacent & ~np.eye(d, dtype=bool)
    if evidence is not None:
        graph.evidence[:] = evidence
    for x, y, z in separating:
        graph.separating.add([x], [y], np.array([[z]]))
    return graph


def test_of_contradicting_colliders_the_better_supported_counts() -> None:
    # 0 → 1 ← 2 and 1 → 2 ← 3 cannot both hold.
    graph = skeleton(4, [(0, 1), (1, 2), (2, 3)], [])
    graph.evidence[1, 3] = graph.evidence[3, 1] = 0.9
    graph.evidence[0, 2] = graph.evidence[2, 0] = 0.2
    share = votes(pc_marks(graph))
    assert share[1, 2] == share[3, 2] == 1.0
    assert share[0, 1] == share[1, 0] == 0.5


def test_the_order_of_columns_has_no_influence() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        edges = [e for e in combinations(range(8), 2) if rng.random() < 0.35]
        apart = [e for e in combinations(range(8), 2) if e not in edges]
        separating = [(x, y, z) for x, y in apart for z in range(8) if rng.random() < 0.3]
        order = rng.permutation(8)
        back = np.argsort(order)
        evidence = np.triu(rng.random((8, 8)), 1)
        evidence += evidence.T
        one = skeleton(8, edges, separating, evidence)
        two = skeleton(
            8,
            [(back[x], back[y]) for x, y in edges],
            [(back[x], back[y], back[z]) for x, y, z in separating],
            evidence[np.ix_(order, order)],
        )
        for orient in (pc_marks, fci_marks, possible_d_sep):
            assert (np.asarray(orient(one))[np.ix_(order, order)] == orient(two)).all()


def test_a_discriminating_path_orients_its_end() -> None:
    # 0 *→ 1 ↔ 2 o–* 3 with 1 → 3: whether 2 separates 0 and 3 decides on the edge 2 – 3.
    for separates in (True, False):
        dag = nx.DiGraph([(0, 1), (5, 1), (5, 2), (1, 3)])
        if separates:
            dag.add_edge(2, 3)
        else:
            dag.add_edges_from([(6, 2), (6, 3)])
        dag.add_edge(4, 2)
        marks = fci_marks(perfect_skeleton(dag, 5, 3))
        assert marks[1, 3] == TAIL
        assert marks[3, 1] == ARROW
        assert marks[3, 2] == ARROW
        assert marks[2, 3] == (TAIL if separates else ARROW)


def test_possible_d_sep_goes_on_through_colliders_and_triangles_alone() -> None:
    chain = skeleton(4, [(0, 1), (1, 2), (2, 3)], [(0, 2, 1), (1, 3, 2), (0, 3, 1)])
    assert np.flatnonzero(possible_d_sep(chain)[0]).tolist() == [1]
    collider = skeleton(4, [(0, 1), (1, 2), (2, 3)], [(1, 3, 2), (0, 3, 1)])
    assert np.flatnonzero(possible_d_sep(collider)[0]).tolist() == [1, 2]
    triangle = skeleton(4, [(0, 1), (1, 2), (0, 2), (2, 3)], [(0, 3, 2), (1, 3, 2)])
    assert np.flatnonzero(possible_d_sep(triangle)[0]).tolist() == [1, 2]


def test_reached_columns_do_not_hang_on_how_many_are_followed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = perfect_skeleton(random_dag(3, 9), 9, 2)
    together = possible_d_sep(graph)
    monkeypatch.setattr(orientation, "_MOST_STEPS", 40)
    assert (possible_d_sep(graph) == together).all()


def test_an_open_pair_stays_a_circle() -> None:
    assert fci_marks(skeleton(2, [(0, 1)], [])).tolist() == [[0, CIRCLE], [CIRCLE, 0]]
    assert pc_marks(skeleton(2, [(0, 1)], [])).tolist() == [[0, TAIL], [TAIL, 0]]
