"""The temperature with the lowest log-loss on held-out rows."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.model.calibration import COLDEST, HOTTEST, fit_temperature, tempered


def drawn(temperature: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes drawn from them at a temperature."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.5, 0.7, 0.9], n)
    truth = tempered(p, temperature)
    return p, (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.1)


def test_it_is_the_minimum_that_scipy_finds() -> None:
    p, classes = drawn(1.7, n=200)

    def loss(t: float) -> float:
        return float(-np.log(tempered(p, t)[np.arange(len(p)), classes]).mean())

    best = minimize_scalar(
        loss, bounds=(COLDEST, HOTTEST), method="bounded", options={"xatol": 1e-9}
    )
    assert fit_temperature(p, classes) == pytest.approx(best.x, rel=1e-4)


def test_it_stays_within_its_bounds() -> None:
    p = np.array([[0.9, 0.1]] * 5)
    assert fit_temperature(p, np.zeros(5, dtype=np.int64)) == pytest.approx(COLDEST, rel=1e-6)
    assert fit_temperature(p, np.ones(5, dtype=np.int64)) == pytest.approx(HOTTEST, rel=1e-6)
    with pytest.raises(ConfigurationError, match="held-out rows, and there are none"):
        fit_temperature(p[:0], np.zeros(0, dtype=np.int64))
