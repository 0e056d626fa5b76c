"""Abduction and propagation on compiled models whose truth is known, and beside DoWhy."""

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.causal.models.fit import NodeData, fit_scms
from lit_causalmix.causal.sampler.counterfactual import counterfactual, counterfactuals
from lit_causalmix.causal.sampler.ensemble import CompiledScm, hold
from lit_causalmix.causal.sampler.mechanisms import Additive, Classifier, Root
from lit_causalmix.causal.sampler.noise import ScaledAdditive
from lit_causalmix.causal.sampler.scores import LinearScores
from lit_causalmix.tables.schema import Column, ColumnKind

NOTHING = np.empty(0, dtype=np.int64)


def linear(weights: dict[int, list[float]], intercept: list[float]) -> LinearScores:
    return LinearScores(
        np.array(intercept),
        np.array(list(weights), dtype=np.int64),
        np.array(list(weights.values())).reshape(len(weights), len(intercept)),
        (),
    )


def numerical_nodes(n: int = 300) -> tuple[NodeData, np.ndarray]:
    """a → b → c and a → c, all numbers; and the graph."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    b = np.sin(a) + 0.3 * rng.normal(size=n)
    c = a * b + a - b + 0.2 * rng.normal(size=n)
    columns = tuple(Column(name, ColumnKind.NUMERICAL) for name in "abc")
    values = np.column_stack([a, b, c])
    dag = np.zeros((1, 3, 3), dtype=bool)
    dag[0, [0, 1, 0], [1, 2, 2]] = True
    return NodeData(columns, values, np.zeros(values.shape, dtype=bool)), dag


@pytest.mark.parametrize("noise", ["residual", "heteroscedastic"])
@pytest.mark.parametrize("mechanism", ["linear", "boosting"])
@pytest.mark.parametrize("held", ["a", "b"])
def test_counterfactuals_of_numbers_are_dowhys(mechanism: str, noise: str, held: str) -> None:
    from dowhy import gcm

    data, dag = numerical_nodes()
    fitted = fit_scms(data, dag, mechanism=mechanism, noise=noise, seed=0, progress=False)
    # DoWhy's own model of the same fit; the mechanisms live on its graph.
    model = gcm.InvertibleStructuralCausalModel(fitted.models[0].graph)
    frame = pd.DataFrame(data.values, columns=data.names)
    expected = gcm.counterfactual_samples(
        model, {held: lambda value: np.full_like(value, 0.7)}, observed_data=frame
    )
    node = data.names.index(held)
    fresh = np.zeros(data.values.shape, dtype=bool)
    fresh[:, node] = True
    found = counterfactuals(
        hold(fitted.ensemble, {node: 0.7}),
        dag,
        data.values,
        fresh,
        np.random.default_rng(0),
        rows_per_model=64,
    )
    np.testing.assert_allclose(found, expected[data.names].to_numpy(), rtol=0, atol=1e-9)
    assert np.abs(found[:, 2] - data.values[:, 2]).max() > 0.1


def test_own_noise_everywhere_gives_the_rows_to_the_bit() -> None:
    data, dag = numerical_nodes()
    fitted = fit_scms(data, dag, mechanism="auto", seed=0, progress=False)
    fresh = np.zeros(data.values.shape, dtype=bool)
    rng = np.random.default_rng(0)
    found = counterfactuals(fitted.ensemble, dag, data.values, fresh, rng, rows_per_model=64)
    assert found.tobytes() == data.values.tobytes()
    fresh[:, 1] = True  # of the node in the middle: its cause stays, its effect follows
    found = counterfactuals(fitted.ensemble, dag, data.values, fresh, rng, rows_per_model=64)
    assert found[:, 0].tobytes() == data.values[:, 0].tobytes()
    assert (found[:, 1:] != data.values[:, 1:]).mean() > 0.9


def test_the_noise_of_a_number_is_what_its_mechanism_leaves_unexplained() -> None:
    values = np.array([[1.0, 5.0], [2.0, 4.0]])
    scores, spread = linear({0: [3.0]}, [1.0]), linear({0: [2.0]}, [0.0])
    additive = Additive(scores, np.zeros(1), -99, 99, integer=False)
    scaled = ScaledAdditive(scores, spread, 0.1, 99, np.zeros(1), -99, 99, integer=False)
    nowhere = np.zeros(2)
    assert additive.abduct(values, values[:, 1], nowhere).tolist() == [1.0, -3.0]
    assert scaled.abduct(values, values[:, 1], nowhere).tolist() == [0.5, -0.75]
    assert Root(np.zeros(1)).abduct(values, values[:, 1], nowhere).tolist() == [5.0, 4.0]


def classifier_model() -> tuple[CompiledScm, np.ndarray]:
    """A number, and three classes with logits (0, 1, x) given it."""
    scores = LinearScores(np.array([0.0, 1.0, 0.0]), np.array([0]), np.array([[0.0, 0.0, 1.0]]), ())
    classes = Classifier(scores, np.array([0.0, 1.0, 2.0]), cumulative=False)
    parents = np.array([[False, True], [False, False]])
    return CompiledScm((0, 1), (Root(np.array([0.0, 2.0])), classes)), parents


@pytest.mark.parametrize("observed", [0.0, 1.0, 2.0])
def test_the_noise_of_a_class_is_uniform_over_its_slice(observed: float) -> None:
    model, _ = classifier_model()
    n = 20_000
    values = np.tile([0.5, observed], (n, 1))
    uniform = np.random.default_rng(0).random(n)
    noise = model.mechanisms[1].abduct(values, values[:, 1], uniform)
    weights = np.exp([0.0, 1.0, 0.5])
    edges = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    low, high = edges[int(observed)], edges[int(observed) + 1]
    assert noise.min() >= low
    assert noise.max() <= high
    deciles = np.histogram(noise, np.linspace(low, high, 11))[0]
    assert np.abs(deciles - n / 10).max() < 5 * np.sqrt(n / 10)
    assert (model.mechanisms[1].evaluate(values, noise) == observed).all()


def test_counterfactual_classes_have_the_frequencies_of_the_posterior() -> None:
    """Of do(x = 2) on rows with x = 0, class by class: how far the slices overlap."""
    model, parents = classifier_model()
    n = 30_000
    before = np.exp([0.0, 1.0, 0.0])
    after = np.exp([0.0, 1.0, 2.0])
    cuts = [np.concatenate([[0.0], np.cumsum(w) / w.sum()]) for w in (before, after)]
    fresh = np.tile([True, False], (n, 1))
    acting = CompiledScm(model.order, (Root(np.array([2.0])), model.mechanisms[1]))
    for observed in range(3):
        rows = np.tile([0.0, float(observed)], (n, 1))
        found = counterfactual(acting, parents, rows, fresh, np.random.default_rng(observed))
        shares = np.bincount(found[:, 1].astype(int), minlength=3) / n
        low, high = cuts[0][observed], cuts[0][observed + 1]
        overlap = [
            max(0.0, min(high, cuts[1][k + 1]) - max(low, cuts[1][k])) / (high - low)
            for k in range(3)
        ]
        np.testing.assert_allclose(shares, overlap, atol=0.012)


def test_noise_that_is_all_fresh_gives_the_distribution_of_the_model() -> None:
    data, dag = numerical_nodes(2000)
    ensemble = fit_scms(data, dag, mechanism="linear", seed=0, progress=False).ensemble
    rows = np.tile(data.values, (5, 1))
    rng = np.random.default_rng(0)
    found = counterfactuals(
        ensemble, dag, rows, np.ones(rows.shape, dtype=bool), rng, rows_per_model=64
    )
    drawn = ensemble.sample(10_000, rng, rows_per_model=64)
    np.testing.assert_allclose(found.mean(axis=0), drawn.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(found.T), np.cov(drawn.T), atol=0.08)
    for j in range(3):
        both = np.sort(np.concatenate([found[:, j], drawn[:, j]]))
        cdf = [np.searchsorted(np.sort(v[:, j]), both, "right") / len(v) for v in (found, drawn)]
        assert np.abs(cdf[0] - cdf[1]).max() < 0.025  # Kolmogorov–Smirnov, level about 1 in 1,000


def test_a_class_that_the_model_never_saw_says_nothing_about_its_noise() -> None:
    model, _ = classifier_model()
    values = np.tile([0.5, 7.0], (1000, 1))
    noise = model.mechanisms[1].abduct(values, values[:, 1], np.random.default_rng(0).random(1000))
    assert noise.min() < 0.01
    assert noise.max() > 0.99
