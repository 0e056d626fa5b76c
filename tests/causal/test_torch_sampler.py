"""The torch sampler against the numpy one, given the same noise, kind by kind."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lit_causalmix.causal.boosted_models import BoostedClassifier, BoostedRegressor
from lit_causalmix.causal.families import ClassEstimator, Estimator
from lit_causalmix.causal.forest_models import ForestClassifier, ForestRegressor
from lit_causalmix.causal.linear_models import LogisticMechanism, RidgeMechanism
from lit_causalmix.causal.mechanisms import (
    Additive,
    Classifier,
    Mechanism,
    Root,
    cumulative_weights,
)
from lit_causalmix.causal.noise import ScaledAdditive
from lit_causalmix.causal.sampler import Ensemble
from lit_causalmix.causal.scores import Scores
from lit_causalmix.causal.tabulate import tabulate
from lit_causalmix.causal.torch_mechanisms import parents

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
)
DEVICES = pytest.mark.parametrize("device", ["cpu", CUDA])
CARDINALITIES = (0, 4, 0)
"""Of the parents: nodes 0, 1 and 2; the child is node 3."""


def rows(n: int = 500) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(size=n), rng.integers(4, size=n), 1e4 * rng.random(n)])


ROWS = rows()
SIGNAL = np.sin(2 * ROWS[:, 0]) + (ROWS[:, 1] == 2) + ROWS[:, 2] / 5e3


def fitted(model: Estimator, child: NDArray[np.float64]) -> Scores:
    model.fit(ROWS, child)
    return model.scores([0, 1, 2])


def additive(model: Estimator, *, integer: bool = False) -> Additive:
    child = np.round(3 * SIGNAL) if integer else SIGNAL
    residuals = np.random.default_rng(1).normal(size=200)
    low, high = child.min(), child.max()
    return Additive(fitted(model, child), residuals, float(low), float(high), integer)


def scaled(model: Estimator, spread: Estimator) -> ScaledAdditive:
    """Noise whose size a second estimator tells, bounded on both sides."""
    mean = additive(model)
    size = fitted(spread, 0.2 + np.abs(ROWS[:, 0]))
    return ScaledAdditive(mean.scores, size, 0.3, 1.5, mean.residuals, mean.low, mean.high, False)


def classifier(model: ClassEstimator, *cuts: float) -> Classifier:
    scores = fitted(model, np.digitize(SIGNAL, cuts).astype(float))
    return Classifier(scores, model.classes, cumulative=False)


def tabulated(model: ClassEstimator) -> Classifier:
    child = np.digitize(ROWS[:, 1] + ROWS[:, 0], [1.0, 2.5]).astype(float)
    model.fit(ROWS[:, 1:2], child)
    bins = model.bins([1])
    table = None if bins is None else tabulate(model.scores([1]), bins, cumulative_weights)
    assert table is not None
    return Classifier(table, model.classes, cumulative=True)


class Foreign:
    """A mechanism of a type that the torch sampler does not know."""

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        return uniform

    def evaluate(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return values[:, 0] * values[:, 1] + noise


class ForeignScores:
    """Scores of a type that the torch sampler does not know."""

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[:, :1] ** 2


def constant(model: Estimator) -> Scores:
    return fitted(model, np.full(len(ROWS), 2.0))


KINDS: dict[str, Mechanism] = {
    "root": Root(SIGNAL),
    "linear": additive(RidgeMechanism(CARDINALITIES)),
    "linear, whole numbers": additive(RidgeMechanism(CARDINALITIES), integer=True),
    "boosting": additive(BoostedRegressor(CARDINALITIES)),
    "boosting, whole numbers": additive(BoostedRegressor(CARDINALITIES), integer=True),
    "forest": additive(ForestRegressor(CARDINALITIES)),
    "heteroscedastic": scaled(RidgeMechanism(CARDINALITIES), BoostedRegressor(CARDINALITIES)),
    "logistic, 2": classifier(LogisticMechanism(CARDINALITIES), 1.0),
    "logistic, 3": classifier(LogisticMechanism(CARDINALITIES), 0.5, 1.5),
    "boosting, 2": classifier(BoostedClassifier(CARDINALITIES), 1.0),
    "boosting, 3": classifier(BoostedClassifier(CARDINALITIES), 0.5, 1.5),
    "forest, 2": classifier(ForestClassifier(CARDINALITIES), 1.0),
    "forest, 3": classifier(ForestClassifier(CARDINALITIES), 0.5, 1.5),
    "table of logistic": tabulated(LogisticMechanism((4,))),
    "table of boosting": tabulated(BoostedClassifier((4,))),
    "trees without a split": Additive(
        constant(BoostedRegressor(CARDINALITIES)), np.arange(3.0), -9, 9, False
    ),
    "forest without a split": Additive(
        constant(ForestRegressor(CARDINALITIES)), np.arange(3.0), -9, 9, False
    ),
    "foreign mechanism": Foreign(),
    "foreign scores": Additive(ForeignScores(), np.arange(3.0), -9, 9, False),
}
ROOTS = tuple(Root(column) for column in ROWS.T)


@DEVICES
@pytest.mark.parametrize("kind", KINDS)
def test_same_noise_same_rows(kind: str, device: str) -> None:
    ensemble = Ensemble((*ROOTS, KINDS[kind]), np.arange(4)[None], np.arange(4)[None])
    ours = ensemble.sample(5000, np.random.default_rng(0), rows_per_model=64)
    sampler = ensemble.to_torch(device)
    found = sampler.sample(5000, np.random.default_rng(0), rows_per_model=64)
    assert found.device.type == device
    assert found.dtype == torch.float64
    found = found.cpu().numpy()
    if isinstance(KINDS[kind], Classifier):
        np.testing.assert_array_equal(found, ours)
        assert len(set(ours[:, 3])) > 1
    np.testing.assert_allclose(found, ours, rtol=1e-9, atol=1e-9)


def two_orders() -> Ensemble:
    """Four models in two orders that share some mechanisms at different levels."""
    rng = np.random.default_rng(3)
    a, b, c = (Root(rng.normal(size=50)) for _ in range(3))

    def plus(node: int, offset: float) -> Additive:
        scores = RidgeMechanism((0,))
        scores.fit(np.arange(20.0)[:, None], np.arange(20.0) + offset)
        return Additive(scores.scores([node]), np.array([0.0, 0.01]), -1e3, 1e3, False)

    # 0-2: roots; 3: b of a; 4: a of b; 5: c of b; 6: b of c, which the last model has after a
    mechanisms = (a, b, c, plus(0, 1), plus(1, 10), plus(1, 100), plus(2, 200), Foreign())
    return Ensemble(
        mechanisms,
        orders=np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 1, 2]]),
        choices=np.array([[0, 3, 5], [4, 1, 5], [4, 6, 2], [0, 3, 7]]),
    )


@DEVICES
@pytest.mark.parametrize("n", [0, 1, 3, 40, 1000])
def test_all_models_in_one_call(n: int, device: str) -> None:
    ensemble = two_orders()
    ours = ensemble.sample(n, np.random.default_rng(n), rows_per_model=10)
    found = ensemble.to_torch(device).sample(n, np.random.default_rng(n), rows_per_model=10)
    np.testing.assert_allclose(found.cpu().numpy(), ours, rtol=1e-9, atol=1e-9)


def test_a_shared_mechanism_is_visited_once_per_level() -> None:
    steps = two_orders().to_torch("cpu")._steps
    assert len(steps) == 10  # models 0 and 3 share the first two; c of b stands at two levels
    assert sum(len(step.models) for step in steps) == 12


def test_what_mechanisms_read() -> None:
    assert parents(KINDS["root"]) == frozenset()
    assert parents(KINDS["linear"]) == parents(KINDS["forest"]) == {0, 1, 2}
    only_one, other = RidgeMechanism((4,)), RidgeMechanism((0,))
    only_one.fit(ROWS[:, 1:2], SIGNAL)
    other.fit(ROWS[:, 2:], SIGNAL)
    mixed = ScaledAdditive(
        only_one.scores([1]), other.scores([2]), 0.1, 9.0, np.zeros(2), -9.0, 9.0, False
    )
    assert parents(mixed) == {1, 2}
    assert parents(KINDS["table of logistic"]) == {1}
    assert parents(KINDS["foreign mechanism"]) is None
    assert parents(KINDS["foreign scores"]) is None


def test_the_sampler_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    two_orders().to_torch("cpu").sample(100, np.random.default_rng(0), rows_per_model=10)
    assert torch.equal(before, torch.get_rng_state())
