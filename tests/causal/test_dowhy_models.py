"""Models with a mechanism that has no compiled form."""

import logging

import numpy as np
import pytest
from dowhy import gcm
from dowhy.gcm.ml import PredictionModel
from numpy.typing import NDArray

from lit_causalmix.causal.dowhy_models import DoWhyScm, row_sampler
from lit_causalmix.causal.sampler import CompiledScm
from lit_causalmix.causal.scm import FittedScms, NodeData, fit_scms
from lit_causalmix.tables.schema import Column, ColumnKind

NAMES = ("y", "x", "kind")


class Square(PredictionModel):
    """A prediction model of somebody else's."""

    def fit(self, X: NDArray[np.object_], Y: NDArray[np.object_]) -> None:
        self.factor = float(np.mean(Y.astype(float) / X.astype(float)[:, :1] ** 2))

    def predict(self, X: NDArray[np.object_]) -> NDArray[np.float64]:
        return self.factor * X.astype(float)[:, :1] ** 2

    def clone(self) -> "Square":
        return Square()


def fitted() -> tuple[FittedScms, NodeData]:
    """x → y and x → kind, where y = 3 x²."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, 400)
    values = np.column_stack([3 * x**2 + rng.normal(0, 0.01, 400), x, x + rng.random(400) > 2])
    kinds = (ColumnKind.NUMERICAL, ColumnKind.NUMERICAL, ColumnKind.CATEGORICAL)
    labels = ((), (), ("no", "yes"))
    columns = tuple(Column(*facts) for facts in zip(NAMES, kinds, labels, strict=True))
    data = NodeData(columns, values.astype(float), np.zeros((400, 3), dtype=bool))
    dag = np.zeros((1, 3, 3), dtype=bool)
    dag[0, 1, [0, 2]] = True
    return fit_scms(data, dag, mechanism="linear", seed=0, progress=False), data


def with_square() -> DoWhyScm:
    scms, data = fitted()
    model = scms.models[0]
    model.set_causal_mechanism("y", gcm.AdditiveNoiseModel(Square()))
    gcm.fitting_sampling.fit_causal_model_of_target(model, "y", data.frame())
    sampler = row_sampler(model, NAMES)
    assert isinstance(sampler, DoWhyScm)
    return sampler


def test_a_foreign_mechanism_is_drawn_by_dowhy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sampler = with_square()
    (message,) = (r.message for r in caplog.records if r.name.endswith("dowhy_models"))
    assert "'y' (AdditiveNoiseModel)" in message
    assert "'x'" not in message
    rows = sampler.sample(500, np.random.default_rng(0))
    assert rows.shape == (500, 3)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows[:, 0], 3 * rows[:, 1] ** 2, atol=0.1)
    assert set(rows[:, 2]) == {0, 1}
    assert sampler.sample(0, np.random.default_rng(0)).shape == (0, 3)


def test_its_rows_follow_the_seed_and_no_global_state() -> None:
    sampler = with_square()
    np.random.seed(7)  # noqa: NPY002 - what must be left alone
    first = sampler.sample(50, np.random.default_rng(1))
    untouched = np.random.random(3)  # noqa: NPY002
    np.random.seed(8)  # noqa: NPY002
    np.testing.assert_array_equal(sampler.sample(50, np.random.default_rng(1)), first)
    assert (sampler.sample(50, np.random.default_rng(2)) != first).any()
    np.random.seed(7)  # noqa: NPY002
    np.testing.assert_array_equal(np.random.random(3), untouched)  # noqa: NPY002


def test_a_model_of_known_mechanisms_is_compiled(caplog: pytest.LogCaptureFixture) -> None:
    scms, _ = fitted()
    with caplog.at_level(logging.WARNING):
        sampler = row_sampler(scms.models[0], NAMES)
    assert isinstance(sampler, CompiledScm)
    assert not [r for r in caplog.records if r.name.endswith("dowhy_models")]
    expected = scms.ensemble.model(0).sample(300, np.random.default_rng(0))
    np.testing.assert_array_equal(sampler.sample(300, np.random.default_rng(0)), expected)


def test_columns_stand_in_the_order_asked_for() -> None:
    scms, _ = fitted()
    order = ("kind", "y", "x")
    rows = row_sampler(scms.models[0], order).sample(300, np.random.default_rng(0))
    assert set(rows[:, 0]) == {0, 1}
    assert rows[:, 1].min() > 2.9
