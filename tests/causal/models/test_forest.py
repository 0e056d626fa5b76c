"""Compiled forests against scikit-learn's own prediction."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.forest import ForestClassifier, ForestRegressor
from lit_causalmix.causal.sampler.scores import Bins, ForestScores
from lit_causalmix.files import state as store

CARDINALITIES = (0, 4, 0, 2)


def parents(n: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    big = 1e6 + 1e3 * rng.gamma(2.0, size=n)
    whole = np.round(rng.normal(0, 5, n))
    return np.column_stack([big, rng.integers(4, size=n), whole, rng.integers(2, size=n)])


def child(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    big, four, whole, two = rows.T
    result: NDArray[np.float64] = np.sin(big / 500) * two + (four == 2) + 0.1 * whole
    return result


def at_the_thresholds(scores: ForestScores) -> NDArray[np.float64]:
    """Rows that meet a threshold to the last bit, and the next double beyond it."""
    rows = parents(4000, seed=1)
    for bins in scores.bins:
        if len(bins.thresholds):
            cuts = np.resize(bins.thresholds, 2000)
            rows[:2000, bins.node] = cuts
            rows[2000:, bins.node] = np.nextafter(cuts, np.inf)
    return rows


def test_regression_agrees_to_the_bit() -> None:
    rows, model = parents(500), ForestRegressor(CARDINALITIES)
    model.fit(rows, child(rows))
    scores = model.scores([0, 1, 2, 3])
    for new in (parents(4000, seed=1), at_the_thresholds(scores)):
        np.testing.assert_array_equal(scores(new), model.predict(new))


def test_class_probabilities_agree() -> None:
    rows, model = parents(500), ForestClassifier(CARDINALITIES)
    model.fit(rows, np.digitize(child(rows), [0.0, 1.0]) + 1.0)
    assert model.classes.tolist() == [1, 2, 3]
    scores = model.scores([0, 1, 2, 3])
    for new in (parents(4000, seed=1), at_the_thresholds(scores)):
        np.testing.assert_allclose(np.exp(scores(new)), model.predict(new), atol=1e-12)


def test_unused_parents_and_a_single_leaf() -> None:
    model = ForestRegressor((0,))
    model.fit(np.arange(50.0)[:, None], np.full(50, 3.0))
    scores = model.scores([0])
    assert scores.bins == ()
    assert scores(np.zeros((3, 1))).tolist() == [[3], [3], [3]]


def test_saved_and_loaded(tmp_path: Path) -> None:
    rows, model = parents(200), ForestRegressor(CARDINALITIES)
    model.fit(rows, child(rows))
    scores = model.scores([0, 1, 2, 3])
    store.write(tmp_path, "forest", scores)
    again = store.read(tmp_path, "forest", {c.__name__: c for c in (ForestScores, Bins)})
    assert isinstance(again, ForestScores)
    np.testing.assert_array_equal(again(rows), scores(rows))
