"""The compiled sampler against DoWhy, given the same noise, kind of mechanism by kind."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.models.fit import FittedScms, NodeData, fit_scms
from lit_causalmix.causal.sampler.mechanisms import Additive, Classifier
from lit_causalmix.causal.sampler.noise import NOISES
from lit_causalmix.causal.sampler.scores import (
    BoostedScores,
    ForestScores,
    LinearScores,
    TableScores,
)
from lit_causalmix.tables.schema import Column, ColumnKind

NUMBER, CATEGORY = ColumnKind.NUMERICAL, ColumnKind.CATEGORICAL


def node(name: str, k: int = 0, *, integer: bool = False) -> Column:
    kind = CATEGORY if k else NUMBER
    return Column(name, kind, tuple(f"c{i}" for i in range(k)), integer)


def mixed_data(n: int = 400, seed: int = 0) -> NodeData:
    """Numerical, whole-numbered, two-, four- and many-valued nodes that depend on each other."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.gamma(2.0, size=n) * 1e4
    four = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    two = (rng.random(n) < 1 / (1 + np.exp(-2 * a))).astype(int)
    count = np.round(3 + a + two + 0.5 * np.abs(rng.normal(size=n)))
    out = a + np.sin(3 * a) * two + b / 1e4 + (four == 2) + rng.normal(0, 0.3, n)
    three = np.digitize(out + rng.normal(0, 0.5, n), [0.5, 2.5])
    many = rng.integers(20, size=n)
    columns = (
        node("a"),
        node("zb"),
        node("four", 4),
        node("two", 2),
        node("count", integer=True),
        node("out"),
        node("three", 3),
        node("many", 20),
    )
    values = np.column_stack([a, b, four, two, count, out, three, many]).astype(float)
    return NodeData(columns, values, np.zeros(values.shape, dtype=bool))


EDGES = {
    "one parent": [("a", "two"), ("a", "count"), ("four", "out"), ("out", "three")],
    "few categorical parents": [("four", "two"), ("two", "out"), ("four", "out"), ("two", "three")],
    "many parents": [
        *(("a", c) for c in ("two", "count", "out")),
        *(("zb", c) for c in ("out", "three", "many")),
        *(("four", c) for c in ("out", "three")),
        *(("two", c) for c in ("count", "out", "three")),
        ("count", "out"),
        ("out", "three"),
        ("many", "out"),
    ],
    "none": [],
}


def adjacency(data: NodeData, edges: list[tuple[str, str]]) -> NDArray[np.bool_]:
    at = {name: j for j, name in enumerate(data.names)}
    result = np.zeros((len(at), len(at)), dtype=bool)
    for i, j in edges:
        result[at[i], at[j]] = True
    return result


def fit(
    data: NodeData, *graphs: str, mechanism: str = "linear", noise: str = "residual"
) -> FittedScms:
    dags = np.stack([adjacency(data, EDGES[g]) for g in graphs])
    return fit_scms(data, dags, mechanism=mechanism, noise=noise, seed=0, progress=False)


def propagated_by_dowhy(
    data: NodeData, model: Any, noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluates DoWhy's own mechanisms, parents first."""
    from dowhy.graph import get_ordered_predecessors

    from lit_causalmix.causal.models.dowhy import labels

    given = pd.DataFrame(noise, columns=data.names)
    categorical = {c.name for c in data.columns if not c.is_numerical}
    frame = pd.DataFrame(index=given.index)
    for name in nx.topological_sort(model.graph):
        cells = given[name].to_numpy()
        if parents := get_ordered_predecessors(model.graph, name):
            mechanism = model.causal_mechanism(name)
            frame[name] = mechanism.evaluate(frame[parents].to_numpy(), cells).ravel()
        else:
            frame[name] = labels(cells) if name in categorical else cells
    return frame[data.names].astype(float).to_numpy()


@pytest.mark.parametrize(
    ("mechanism", "noise"),
    [
        ("linear", "residual"),
        ("boosting", "residual"),
        ("forest", "residual"),
        ("auto", "residual"),
        ("linear", "smoothed"),
        ("linear", "heteroscedastic"),
        ("boosting", "heteroscedastic"),
    ],
)
@pytest.mark.parametrize("graph", EDGES)
def test_same_noise_same_rows_as_dowhy(graph: str, mechanism: str, noise: str) -> None:
    """DoWhy knows no varying size of noise: there the reference is our class of its model."""
    data = mixed_data(300)
    fitted = fit(data, graph, mechanism=mechanism, noise=noise)
    compiled = fitted.ensemble.model(0)
    drawn = compiled.draw_noise(3000, np.random.default_rng(1))
    ours = compiled.propagate(drawn)
    reference = propagated_by_dowhy(data, fitted.models[0], drawn)
    for j, c in enumerate(data.columns):
        if c.is_numerical:
            np.testing.assert_allclose(ours[:, j], reference[:, j], rtol=1e-9, atol=1e-9)
        else:
            assert (ours[:, j] == reference[:, j]).all(), c.name


def test_every_kind_of_compiled_mechanism_was_compared() -> None:
    data, kinds = mixed_data(), set()
    for mechanism in ("linear", "boosting", "forest"):
        for graph in EDGES:
            for m in fit(data, graph, mechanism=mechanism).ensemble.mechanisms:
                kinds.add((type(m), type(getattr(m, "scores", None))))
    for outcome in (Additive, Classifier):
        for scores in (LinearScores, BoostedScores, ForestScores, TableScores):
            assert (outcome, scores) in kinds


def test_codes_that_do_not_occur_are_never_drawn() -> None:
    data = mixed_data()
    data.values[data.values[:, 2] == 1, 2] = 3
    for mechanism in ("linear", "boosting", "forest"):
        fitted = fit(data, "many parents", "few categorical parents", mechanism=mechanism)
        rows = fitted.ensemble.sample(2000, np.random.default_rng(0), rows_per_model=100)
        assert set(rows[:, 2]) == {0, 2, 3}
        noise = fitted.ensemble.model(1).draw_noise(500, np.random.default_rng(0))
        reference = propagated_by_dowhy(data, fitted.models[1], noise)
        np.testing.assert_allclose(fitted.ensemble.model(1).propagate(noise), reference)


def test_equal_parents_are_fitted_once_and_shared() -> None:
    fitted = fit(mixed_data(), "many parents", "one parent", "many parents")
    first, second, third = fitted.models
    assert first.causal_mechanism("three") is third.causal_mechanism("three")
    assert first.causal_mechanism("three") is not second.causal_mechanism("three")
    assert first.graph is not third.graph
    choices = fitted.ensemble.choices
    assert (choices[0] == choices[2]).all()
    assert len(fitted.ensemble.mechanisms) == len(set(choices.ravel().tolist()))


@pytest.mark.parametrize("noise", NOISES)
def test_dowhy_draws_from_the_fitted_models(noise: str) -> None:
    from dowhy import gcm

    data = mixed_data()
    fitted = fit(data, "many parents", noise=noise)
    rows = gcm.draw_samples(fitted.models[0], 2000)
    assert sorted(rows.columns) == sorted(data.names)
    ours = fitted.ensemble.sample(2000, np.random.default_rng(0), rows_per_model=2000)
    for j in (0, 1, 4, 5):
        drawn = rows[data.names[j]].to_numpy(float)
        assert abs(drawn.mean() - ours[:, j].mean()) < 0.15 * ours[:, j].std()
        assert abs(drawn.std() / ours[:, j].std() - 1) < 0.15


@pytest.mark.parametrize("noise", NOISES)
def test_dowhy_can_clone_a_mechanism_and_recover_its_noise(noise: str) -> None:
    data = mixed_data()
    model = fit(data, "many parents", noise=noise).models[0]
    mechanism = model.causal_mechanism("out")
    clone = mechanism.clone()
    assert type(clone) is type(mechanism)
    frame = data.frame()
    parents = sorted(data.names[j] for j in (0, 1, 2, 3, 4, 7))
    found = mechanism.estimate_noise(frame["out"].to_numpy(), frame[parents].to_numpy())
    back = mechanism.evaluate(frame[parents].to_numpy(), found)
    np.testing.assert_allclose(back.ravel(), data.values[:, 5], rtol=1e-9, atol=1e-9)


def test_linear_gaussian_model_keeps_its_covariance() -> None:
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(2, 4000))
    y = 0.9 * x + u + rng.normal(size=4000)
    z = 0.7 * y - 0.8 * u + rng.normal(size=4000)
    columns = tuple(node(c) for c in "xuyz")
    values = np.column_stack([x, u, y, z])
    data = NodeData(columns, values, np.zeros(values.shape, dtype=bool))
    dag = adjacency(data, [("x", "y"), ("u", "y"), ("y", "z"), ("u", "z")])
    fitted = fit_scms(data, dag[None], mechanism="auto", seed=0, progress=False)
    assert set(fitted.families.values()) == {"linear"}
    rows = fitted.ensemble.sample(40_000, np.random.default_rng(1), rows_per_model=10**6)
    np.testing.assert_allclose(rows.mean(axis=0), values.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(rows.T), np.cov(values.T), atol=0.15)


def test_conditional_frequencies_of_categories_are_kept() -> None:
    rng = np.random.default_rng(0)
    cause = rng.integers(3, size=3000)
    table = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.0, 0.1, 0.9]])
    effect = (rng.random(3000)[:, None] > np.cumsum(table, axis=1)[cause]).sum(axis=1)
    values = np.column_stack([cause, effect]).astype(float)
    data = NodeData((node("cause", 3), node("effect", 3)), values, np.zeros((3000, 2), bool))
    dag = adjacency(data, [("cause", "effect")])[None]
    for mechanism in ("linear", "boosting", "forest"):
        fitted = fit_scms(data, dag, mechanism=mechanism, seed=0, progress=False)
        rows = fitted.ensemble.sample(30_000, np.random.default_rng(0), rows_per_model=100)
        for k in range(3):
            found = np.bincount(rows[rows[:, 0] == k, 1].astype(int), minlength=3)
            np.testing.assert_allclose(found / found.sum(), table[k], atol=0.04)


def test_boosting_is_chosen_where_it_is_better() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 500)
    values = np.column_stack(
        [x, np.abs(x) * 3 + rng.normal(0, 0.2, 500), x + rng.normal(0, 1, 500)]
    )
    data = NodeData((node("x"), node("bent"), node("straight")), values, np.zeros((500, 3), bool))
    dag = adjacency(data, [("x", "bent"), ("x", "straight")])[None]
    fitted = fit_scms(data, dag, mechanism="auto", seed=0, progress=False)
    assert fitted.families == {"bent": "boosting", "straight": "linear"}


def test_imputed_cells_are_no_outcomes() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 2))
    values[:, 1] += values[:, 0]
    missing = np.zeros((300, 2), dtype=bool)
    missing[:200, 1] = True
    values[:200, 1] = 99.0
    data = NodeData((node("x"), node("y")), values, missing)
    for edges in ([("x", "y")], []):
        dag = adjacency(data, edges)[None]
        fitted = fit_scms(data, dag, mechanism="linear", seed=0, progress=False)
        rows = fitted.ensemble.sample(500, np.random.default_rng(0), rows_per_model=64)
        assert rows[:, 1].max() < 10


def test_extreme_units_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300) * 1e200
    values = np.column_stack([x, x * 1e-290 + rng.normal(size=300) * 1e-90])
    data = NodeData((node("x"), node("y")), values, np.zeros((300, 2), bool))
    for mechanism in ("linear", "boosting", "forest"):
        dag = adjacency(data, [("x", "y")])[None]
        fitted = fit_scms(data, dag, mechanism=mechanism, seed=0, progress=False)
        rows = fitted.ensemble.sample(2000, np.random.default_rng(0), rows_per_model=64)
        assert np.isfinite(rows).all()
        assert abs(np.corrcoef((rows / np.abs(values).max(axis=0)).T)[0, 1] - 2**-0.5) < 0.1
