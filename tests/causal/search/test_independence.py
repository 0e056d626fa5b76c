import numpy as np
import pytest
from causallearn.utils.cit import CIT
from numpy.typing import NDArray

from lit_causalmix.causal.search.encoding import Encoded, indicators
from lit_causalmix.causal.search.independence import Correlations

QUERIES: list[tuple[int, int, tuple[int, ...]]] = [
    (0, 1, ()),
    (3, 1, ()),
    (0, 2, (1,)),
    (4, 0, (3, 1)),
    (1, 2, (0, 3, 4)),
]


def in_blocks(values: NDArray[np.float64], owner: NDArray[np.int64]) -> Encoded:
    """Blocks that are tested by correlations alone."""
    return Encoded(values, owner, np.zeros(int(owner[-1]) + 1, dtype=bool))


def p_value(of: Correlations, x: int, y: int, given: tuple[int, ...] = ()) -> float:
    return float(of.p_values(np.array([[x, y, *given]]))[0])


@pytest.fixture
def data() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5))


@pytest.mark.parametrize("query", QUERIES)
def test_p_values_agree_with_causal_learn(
    data: NDArray[np.float64], query: tuple[int, int, tuple[int, ...]]
) -> None:
    ours = Correlations.of(Encoded.numerical(data))
    expected = CIT(data, "fisherz")(*query)
    assert p_value(ours, *query) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_second_call_answers_from_memory_whatever_the_order(data: NDArray[np.float64]) -> None:
    ours = Correlations.of(Encoded.numerical(data))
    keys = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [4, 0, 1, 2]])
    first = ours.p_values(keys)
    assert first[0] == first[1]
    assert len(ours.known[2][0]) == 2
    again = ours.p_values(np.array([[2, 3, 0, 1], [0, 4, 2, 1]]))
    assert again[1] == first[2]
    assert again[0] == p_value(Correlations.of(Encoded.numerical(data)), 2, 3, (0, 1))
    assert len(ours.known[2][0]) == 3


def test_p_values_of_independent_blocks_are_uniform() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        z = rng.normal(size=150)
        codes = (z[:, None] + rng.normal(size=(150, 4))).argmax(axis=1).astype(float)
        other = rng.integers(3, size=150).astype(float)
        blocks = [indicators(codes), indicators(other), z[:, None]]
        owner = np.repeat([0, 1, 2], [b.shape[1] for b in blocks])
        p.append(p_value(Correlations.of(in_blocks(np.hstack(blocks), owner)), 0, 1, (2,)))
    for level in (0.05, 0.5):
        assert np.mean(np.array(p) < level) == pytest.approx(level, abs=3 * (level / 400) ** 0.5)


def test_wilks_agrees_with_the_f_test_of_a_regression() -> None:
    # One number against a block: Λ is (1 − R²), whose exact distribution is that of F.
    from scipy.stats import f

    rng = np.random.default_rng(1)
    codes = rng.integers(4, size=300).astype(float)
    y = rng.normal(size=300) + 0.35 * (codes == 2)
    block = indicators(codes)
    design = np.column_stack([np.ones(300), block])
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    r2 = 1 - residual.var() / y.var()
    exact = f.sf(r2 / 3 / ((1 - r2) / 296), 3, 296)
    table = in_blocks(np.column_stack([y, block]), np.array([0, 1, 1, 1]))
    assert p_value(Correlations.of(table), 0, 1) == pytest.approx(exact, rel=0.02)
    assert Correlations.of(table).strength[0, 1] == pytest.approx(r2, abs=1e-9)


def test_the_reference_category_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(4, size=200)
    full, other = np.eye(4)[codes], rng.normal(size=(200, 2))
    owner = np.array([0, 0, 0, 1, 2])
    found = [
        p_value(
            Correlations.of(in_blocks(np.hstack([np.delete(full, k, axis=1), other]), owner)),
            0,
            1,
            (2,),
        )
        for k in range(4)
    ]
    assert found == pytest.approx([found[0]] * 4, rel=1e-6)


def test_constant_and_duplicate_columns_of_a_resample_do_no_harm(
    data: NDArray[np.float64],
) -> None:
    data[:, 3] = 1.0
    data[:, 4] = data[:, 0]
    test = Correlations.of(Encoded.numerical(data))
    assert p_value(test, 0, 3) == 1.0
    assert p_value(test, 0, 4) < 1e-10
    assert 0 <= p_value(test, 0, 1, (3, 4)) <= 1


def test_an_indicator_that_a_resample_lost_costs_no_degree_of_freedom() -> None:
    rng = np.random.default_rng(3)
    block = indicators(rng.integers(3, size=100).astype(float))
    y = rng.normal(size=(100, 1))
    lost = in_blocks(np.hstack([block, np.zeros((100, 1)), y]), np.array([0, 0, 0, 1]))
    kept = in_blocks(np.hstack([block, y]), np.array([0, 0, 1]))
    assert p_value(Correlations.of(lost), 0, 1) == p_value(Correlations.of(kept), 0, 1)


def test_too_few_rows_for_the_test_mean_independence(data: NDArray[np.float64]) -> None:
    assert p_value(Correlations.of(Encoded.numerical(data[:4])), 0, 1, (2,)) == 1.0
    blocks = in_blocks(data[:5], np.array([0, 0, 1, 1, 2]))
    assert p_value(Correlations.of(blocks), 0, 1, (2,)) == 1.0
