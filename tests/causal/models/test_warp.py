"""Normal scores of columns, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lit_causalmix.causal.models.fit import NodeData
from lit_causalmix.causal.models.warp import Warp, heavy_tailed, warp_nodes
from lit_causalmix.tables.schema import Column, ColumnKind

NUMBER = ColumnKind.NUMERICAL


@settings(deadline=None)
@given(arrays(float, st.integers(1, 60), elements=st.floats(-1e100, 1e100)))
def test_training_values_come_back_to_the_bit(values: np.ndarray) -> None:
    warp = Warp(0, np.sort(values), integer=False)
    assert (warp.values(warp.scores(values)) == values).all()


@settings(deadline=None)
@given(
    arrays(float, st.integers(2, 60), elements=st.integers(-5, 5).map(float)),
    arrays(float, 20, elements=st.floats(-9, 9)),
)
def test_any_score_leads_into_the_support(known: np.ndarray, scores: np.ndarray) -> None:
    found = Warp(0, np.sort(known), integer=True).values(scores)
    assert (found == np.round(found)).all()
    assert known.min() <= found.min() <= found.max() <= known.max()
    assert (np.diff(Warp(0, np.sort(known), integer=False).values(np.sort(scores))) >= 0).all()


def test_scores_of_a_heavy_tail_are_gaussian_and_ties_share_one() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(2 * rng.normal(size=2000))
    values[:300] = 0.0
    warp = Warp(0, np.sort(values), integer=False)
    scores = warp.scores(values)
    assert len(np.unique(scores[:300])) == 1
    assert abs(scores.mean()) < 0.02
    assert 0.9 < scores.std() < 1.0
    drawn = warp.values(rng.normal(size=20_000))
    assert abs((drawn == 0).mean() - 0.15) < 0.01
    for q in (0.3, 0.5, 0.9):
        assert np.quantile(drawn, q) == pytest.approx(np.quantile(values, q), rel=0.1)


def test_which_nodes_are_warped() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.normal(size=500), np.exp(2 * rng.normal(size=500)) // 1, rng.integers(3, size=500)]
    )
    columns = (
        Column("plain", NUMBER),
        Column("heavy", NUMBER, integer=True),
        Column("kind", ColumnKind.CATEGORICAL, ("a", "b", "c")),
    )
    missing = np.zeros(values.shape, dtype=bool)
    missing[:50, 1] = True
    values[:50, 1] = 1e6  # a filling that must not count
    data = NodeData(columns, values, missing)
    assert heavy_tailed(values[50:, 1])
    assert not heavy_tailed(values[:, 0])
    for scale, warped in (("raw", []), ("auto", [7]), ("quantile", [3, 7])):
        found, warps = warp_nodes(data, (3, 7, 9), scale)
        assert [w.column for w in warps] == warped
        assert (found.values[:, 2] == values[:, 2]).all()
        assert found.names == data.names
    assert not found.columns[1].integer
    assert warps[1].quantiles.max() < 1e6
    assert (warps[1].values(found.values[50:, 1]) == values[50:, 1]).all()
