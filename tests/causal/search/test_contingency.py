from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from causallearn.utils.cit import CIT
from numpy.typing import NDArray

from lit_causalmix.causal.search.contingency import LEAST_ROWS, Categories
from lit_causalmix.causal.search.discovery import DiscoverySettings, discover
from lit_causalmix.causal.search.encoding import Encoded, encode_for_discovery
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.tables.schema import Column, ColumnKind

SIZES = (2, 3, 2, 4, 2)


def codes(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Column 0 causes 1 and 2, 1 causes 3; 4 stands alone."""
    rng = np.random.default_rng(seed)
    found = np.zeros((n, 5))
    for j, parents in enumerate(((), (0,), (0,), (1,), ())):
        chances = rng.dirichlet(np.ones(SIZES[j]), size=4)
        given = found[:, parents[0]].astype(int) if parents else np.zeros(n, dtype=int)
        bounds = chances[given].cumsum(axis=1)[:, :-1]
        found[:, j] = (rng.random((n, 1)) > bounds).sum(axis=1)
    return found


def encoded(values: NDArray[np.float64], order: Sequence[int] = range(5)) -> Encoded:
    kinds = {2: ColumnKind.BOOLEAN}
    columns = [
        Column(str(j), kinds.get(s, ColumnKind.CATEGORICAL), tuple(map(str, range(s))))
        for j, s in enumerate(SIZES)
    ]
    return encode_for_discovery(values[:, list(order)], [columns[j] for j in order])


@pytest.mark.parametrize(
    "query", [(0, 1, ()), (1, 2, (0,)), (0, 3, (1, 4)), (4, 3, (0, 1, 2)), (3, 4, ())]
)
def test_p_values_agree_with_causal_learn(query: tuple[int, int, tuple[int, ...]]) -> None:
    values = codes(600)
    keys = np.array([[query[0], query[1], *query[2]]])
    ours = Categories.of(encoded(values))
    expected = CIT(values, "chisq")(*query)
    assert ours.p_values(keys)[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_many_triples_of_different_shapes_at_once() -> None:
    ours = Categories.of(encoded(codes(600)))
    keys = np.array(
        [[x, y, z] for x in range(5) for y in range(5) for z in range(5) if x != y != z]
    )
    keys = keys[keys[:, 0] != keys[:, 2]]
    together = ours.p_values(keys)
    assert together.tolist() == [ours.p_values(key[None])[0] for key in keys]
    assert ours.p_values(keys[:0]).shape == (0,)


def test_counting_needs_categories_and_rows() -> None:
    sizes = (2, 10, 8, 4, 3)
    codes_ = np.random.default_rng(0).integers(sizes, size=(LEAST_ROWS, 5))
    ours = Categories(codes_.T, np.array(sizes))
    # (4 − 1)(3 − 1) = 6 degrees of freedom, 60 in ten strata, 480 in eighty; five rows for each.
    keys = np.array([[3, 4, 1, 2]])
    assert ours.countable(keys[:, :2]).all()
    assert ours.countable(keys[:, :3]).all()
    assert not ours.countable(keys).any()
    assert not replace(ours, codes=ours.codes[:, 1:]).countable(keys[:, :2]).any()
    table = encoded(codes(LEAST_ROWS))
    assert Categories.of(table).countable(np.array([[0, 1]])).all()
    assert not Categories.of(Encoded.numerical(table.values)).countable(np.array([[0, 1]])).any()


def test_an_interaction_that_correlations_miss_is_counted() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(2, size=(2, LEAST_ROWS)).astype(float)
    z = (x + y) % 2
    table = encode_for_discovery(
        np.column_stack([x, y, z]), [Column(c, ColumnKind.BOOLEAN, ("0", "1")) for c in "xyz"]
    )
    keys = np.array([[0, 2, 1]])
    assert Correlations.of(table).p_values(keys)[0] < 1e-10
    blind = Encoded(table.values, table.blocks, np.zeros(3, dtype=bool))
    assert Correlations.of(blind).p_values(keys)[0] > 0.01


def test_a_constant_resample_is_independent_of_all() -> None:
    values = codes(4 * LEAST_ROWS)
    table = encoded(values)
    rows = np.flatnonzero(values[:, 0] == 1)
    p = Correlations.of(table.take(rows)).p_values(np.array([[0, 1], [0, 4]]))
    assert (p == 1).all()


def test_the_place_of_categories_has_no_influence() -> None:
    values, order = codes(2 * LEAST_ROWS), [3, 0, 4, 2, 1]
    straight, moved = (
        discover(
            table, [str(j) for j in names], DiscoverySettings(n_resamples=2), seed=0, progress=False
        ).matrix
        for table, names in ((encoded(values), range(5)), (encoded(values, order), order))
    )
    assert (straight[np.ix_(order, order)] == moved).all()
    assert (straight + straight.T)[0, 1] == 1.0
    assert (straight + straight.T)[4].max() < 0.5
