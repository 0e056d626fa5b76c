import numpy as np

from lit_causalmix.causal.sampler.ensemble import Ensemble
from lit_causalmix.causal.sampler.mechanisms import (
    Additive,
    Classifier,
    Root,
    cumulative_weights,
    keep_support,
)
from lit_causalmix.causal.sampler.scores import Bins, LinearScores
from lit_causalmix.causal.sampler.tabulate import tabulate

NONE = np.empty(0)


def plus(node: int, offset: float) -> Additive:
    scores = LinearScores(np.array([offset]), np.array([node]), np.ones((1, 1)), ())
    return Additive(scores, np.zeros(1), low=-1e9, high=1e9, integer=False)


def two_models() -> Ensemble:
    """Model 0: b = a + 1; model 1: a = b + 100, where the roots are 0 … 9."""
    root = Root(np.arange(10.0))
    return Ensemble(
        mechanisms=(root, plus(0, 1.0), plus(1, 100.0)),
        orders=np.array([[0, 1], [1, 0]]),
        choices=np.array([[0, 1], [2, 0]]),
    )


def model_of(rows: np.ndarray) -> np.ndarray:
    assert set(rows[:, 1] - rows[:, 0]) <= {1.0, -100.0}
    return (rows[:, 0] >= 100).astype(int)


def test_each_row_comes_from_one_model_and_all_models_equally_often() -> None:
    rows = two_models().sample(2000, np.random.default_rng(0), rows_per_model=10)
    assert np.bincount(model_of(rows)).tolist() == [1000, 1000]


def test_rows_are_in_random_order() -> None:
    found = model_of(two_models().sample(1000, np.random.default_rng(0), rows_per_model=10))
    assert 400 < (np.diff(found) != 0).sum() < 600


def test_a_small_draw_visits_few_models_picked_at_random() -> None:
    ensemble, rng = two_models(), np.random.default_rng(0)
    picked = [model_of(ensemble.sample(8, rng, rows_per_model=8)) for _ in range(400)]
    assert all(len(set(p)) == 1 for p in picked)
    assert 140 < sum(p[0] for p in picked) < 260


def test_roots_are_drawn_evenly() -> None:
    noise = two_models().model(0).draw_noise(20_000, np.random.default_rng(0))[:, 0]
    counts = np.bincount(noise.astype(int), minlength=10)
    assert abs(counts - 2000).max() < 200


def test_support() -> None:
    values = np.array([-5.0, 0.4, 0.6, 99.0])
    assert keep_support(values, 0.0, 9.0, integer=False).tolist() == [0, 0.4, 0.6, 9]
    assert keep_support(values, 0.0, 9.0, integer=True).tolist() == [0, 0, 1, 9]
    assert values.tolist() == [-5, 0.4, 0.6, 99]


def test_the_class_is_the_slice_that_holds_the_noise() -> None:
    logits = LinearScores(np.log([0.2, 0.5, 0.3]), np.empty(0, int), np.empty((0, 3)), ())
    node = Classifier(logits, np.array([0.0, 4.0, 7.0]), cumulative=False)
    noise = np.array([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 1e-16])
    assert node.evaluate(np.empty((6, 1)), noise).tolist() == [0, 0, 4, 4, 7, 7]


def test_one_logit_means_two_classes() -> None:
    one = cumulative_weights(np.array([[-800.0], [-1.0], [0.0], [800.0]]))
    two = cumulative_weights(np.array([[0.0, -800.0], [0.0, -1.0], [0.0, 0.0], [0.0, 800.0]]))
    np.testing.assert_allclose(one, two / two[:, 1:], atol=1e-15)


def test_bins_are_closed_above() -> None:
    bins = Bins(0, np.array([1.0, 2.0]), 3)
    cells = bins(np.array([[-9.0], [1.0], [1.1], [2.0], [2.1]]))
    assert cells.tolist() == [0, 0, 1, 1, 2]
    assert bins(bins.representatives()[:, None]).tolist() == [0, 1, 2]


def test_a_large_table_is_not_made() -> None:
    scores = LinearScores(np.zeros(1), np.array([0, 1]), np.array([[10.0], [1.0]]), ())
    small = tabulate(scores, [Bins(0, NONE, 3), Bins(1, NONE, 4)], lambda s: s)
    assert small is not None
    rows = np.array([[2.0, 3.0], [0.0, 1.0]])
    assert small(rows).tolist() == [[23], [1]]
    assert tabulate(scores, [Bins(0, NONE, 100), Bins(1, NONE, 100)], lambda s: s) is None
