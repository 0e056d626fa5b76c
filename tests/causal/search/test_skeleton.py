import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from causallearn.search.ConstraintBased.PC import pc
from numpy.typing import NDArray

from lit_causalmix.causal.search.encoding import Encoded
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.orientation import fci_marks, pc_marks, possible_d_sep
from lit_causalmix.causal.search.skeleton import (
    Allowance,
    Skeleton,
    _keys,
    _strongest,
    find_skeleton,
    remove_by_possible_d_sep,
)

PLENTY = 10**9


def random_table(seed: int, n: int = 300, d: int = 9) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(size=(d, d)) * (rng.random((d, d)) < 0.35), 1)
    rows = np.zeros((n, d))
    for j in range(d):
        rows[:, j] = rows @ weights[:, j] + rng.normal(size=n)
    return rows[:, rng.permutation(d)]


def search(rows: NDArray[np.float64], tests: int = PLENTY, depth: int = 3) -> Skeleton:
    return find_skeleton(Correlations.of(Encoded.numerical(rows)), 0.05, depth, Allowance(tests))


@pytest.mark.parametrize("seed", range(8))
def test_same_skeleton_and_separating_columns_as_causal_learn(seed: int) -> None:
    rows = random_table(seed)
    theirs = pc(rows, 0.05, "fisherz", max_k=3, show_progress=False)
    ours = search(rows)
    assert ((theirs.G.graph != 0) == ours.adjacent).all()
    for x, y in combinations(range(9), 2):
        if not ours.adjacent[x, y]:
            separating = set().union(*theirs.sepset[x, y])
            assert set(np.flatnonzero(ours.separating.count(x, y, range(9)))) == separating


@pytest.mark.parametrize("tests", [PLENTY, 60])
def test_order_of_columns_has_no_influence(tests: int) -> None:
    rows, order = random_table(0), np.random.default_rng(0).permutation(9)
    straight, moved = search(rows, tests), search(rows[:, order], tests)
    assert (straight.adjacent[np.ix_(order, order)] == moved.adjacent).all()
    assert (straight.separations[np.ix_(order, order)] == moved.separations).all()
    assert straight.shortened == moved.shortened


def test_a_small_allowance_tests_given_the_strongest_neighbours() -> None:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=2000)
    rows = np.column_stack([cause, *(cause + rng.normal(size=2000) for _ in range(7))])
    full, short = search(rows), search(rows, tests=56)
    assert short.shortened > 0
    assert full.shortened == 0
    # One neighbour each suffices: the common cause is every effect's strongest.
    assert full.adjacent[0, 1:].all()
    assert (short.adjacent[0, 1:]).all()
    assert not short.adjacent[1:, 1:].any()


def test_allowance_is_spent_exactly() -> None:
    allowance = Allowance(100)
    assert allowance.most_candidates(np.array([3, 5, 10]), 2) == 10
    assert allowance.tests == 100 - (3 + 10 + 45)
    assert allowance.most_candidates(np.array([10, 10]), 2) == 7
    assert allowance.tests == 0
    assert allowance.most_candidates(np.array([10, 10]), 2) == 1


def test_possible_d_sep_removes_what_neighbours_cannot() -> None:
    """A pair that no set of neighbours separates, but a column further away does."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=3000)
    x, y = z + rng.normal(size=3000), z + rng.normal(size=3000)
    correlations = Correlations.of(Encoded.numerical(np.column_stack([x, y, z])))
    graph = Skeleton.complete(3)
    graph.adjacent[2, :] = graph.adjacent[:, 2] = False
    reachable = ~np.eye(3, dtype=bool)
    remove_by_possible_d_sep(graph, reachable, correlations, 0.01, 0, Allowance(PLENTY))
    assert graph.adjacent[0, 1]
    remove_by_possible_d_sep(graph, reachable, correlations, 0.01, 1, Allowance(PLENTY))
    assert not graph.adjacent[0, 1]
    assert graph.separating.count(0, 1, [0, 1, 2]).tolist() == [0, 0, 2]  # found from either side


@pytest.mark.parametrize("limit", [2, 3, 9, 12])
def test_sets_are_those_of_the_strongest_candidates_pair_by_pair(limit: int) -> None:
    rng = np.random.default_rng(limit)
    correlations = Correlations.of(Encoded.numerical(random_table(0, d=14)))
    strength = correlations.strength
    adjacent = rng.random((14, 14)) < 0.8
    near, known = adjacent | (rng.random((14, 14)) < 0.2), rng.random((14, 14)) < 0.5
    for matrix in (adjacent, near):
        np.fill_diagonal(matrix, False)
    wanted = []
    for x, y in np.argwhere(adjacent).tolist():
        candidates = [z for z in range(14) if near[x, z] and z != y]
        candidates.sort(key=lambda z: -min(strength[x, z], strength[y, z]))
        sets = combinations(sorted(candidates[:limit]), 2)
        wanted += [[x, y, *own] for own in sets if not known[x, list(own)].all()]
    found = _keys(adjacent, near, 2, limit, correlations, known)
    assert sorted(found.tolist()) == sorted(wanted)


@pytest.mark.parametrize("limit", [1, 8, 9])
def test_of_equally_strong_candidates_the_first_are_taken(limit: int) -> None:
    strength = np.random.default_rng(0).integers(4, size=(50, 20)).astype(float)
    for row, found in zip(strength, _strongest(strength, limit), strict=True):
        assert found.tolist() == sorted(sorted(range(20), key=lambda k: -row[k])[:limit])


def test_memory_grows_with_the_pairs_and_not_with_the_triples() -> None:
    """A count for each of the d³ triples alone took 108 MB here."""
    rng = np.random.default_rng(0)
    correlations = Correlations.of(Encoded.numerical(rng.normal(size=(100, 300))))
    assert correlations.strength.shape == (300, 300)
    tracemalloc.start()
    graph = find_skeleton(correlations, 0.05, 2, Allowance(20_000))
    pc_marks(graph)
    remove_by_possible_d_sep(
        graph.copy(), possible_d_sep(graph), correlations, 0.05, 2, Allowance(20_000)
    )
    fci_marks(graph)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < graph.adjacent.sum() < 0.2 * 300**2
    assert peak < 60e6
