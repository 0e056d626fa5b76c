from itertools import combinations

import numpy as np
import pytest
from causallearn.search.ConstraintBased.PC import pc
from numpy.typing import NDArray

from lit_causalmix.causal.search.encoding import Encoded
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.skeleton import (
    Allowance,
    Skeleton,
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
            assert set(np.flatnonzero(ours.separating[x, y])) == separating


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
    assert graph.separating[0, 1].tolist() == [0, 0, 2]  # found from either side
