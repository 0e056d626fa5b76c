import math

import numpy as np
import pytest
from causallearn.utils.cit import CIT

from lit_causalmix.causal.fisher_z import NAME, Budget, BudgetSpentError, Correlations, FisherZ

QUERIES: list[tuple[int, int, tuple[int, ...]]] = [
    (0, 1, ()),
    (3, 1, ()),
    (0, 2, (1,)),
    (4, 0, (3, 1)),
    (1, 2, (0, 3, 4)),
]


def build(data: np.ndarray, depth: int = 3, tests: int = 1000) -> FisherZ:
    budget = Budget(tests, math.inf)
    test: FisherZ = CIT(
        data, NAME, correlations=Correlations.of(data), max_conditioning=depth, budget=budget
    )
    return test


@pytest.fixture
def data() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5))


@pytest.mark.parametrize("query", QUERIES)
def test_p_values_agree_with_causal_learn(
    data: np.ndarray, query: tuple[int, int, tuple[int, ...]]
) -> None:
    assert build(data)(*query) == pytest.approx(CIT(data, "fisherz")(*query), rel=1e-9, abs=1e-12)


def test_deep_conditioning_sets_count_as_dependent(data: np.ndarray) -> None:
    assert build(data, depth=1)(0, 1, (2, 3)) == 0.0


def test_tables_with_equal_beginnings_share_nothing(data: np.ndarray) -> None:
    other = data.copy()
    other[40, 0] += 50
    assert build(data)(0, 1) != build(other)(0, 1)


def test_constant_and_duplicate_columns_of_a_resample_do_no_harm(data: np.ndarray) -> None:
    data[:, 3] = 1.0
    data[:, 4] = data[:, 0]
    test = build(data)
    assert test(0, 3) == 1.0
    assert test(0, 4) < 1e-10
    assert 0 <= test(0, 1, (4, 3)) <= 1


def test_too_few_rows_for_the_test_mean_independence(data: np.ndarray) -> None:
    assert build(data[:4])(0, 1, (2,)) == 1.0


def test_budget_ends_the_run(data: np.ndarray) -> None:
    test = build(data, tests=2)
    test(0, 1)
    test(0, 1)
    with pytest.raises(BudgetSpentError):
        test(0, 1)


def test_deadline_ends_the_run() -> None:
    budget = Budget(257, deadline=0.0)  # the clock is read at every 256th test
    with pytest.raises(BudgetSpentError):
        budget.spend()
    assert budget.tests == 256
