import math

import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.selection import (
    FixedBudget,
    MixedValidation,
    RealValidation,
    SyntheticValidation,
    selection_of,
)

SCORES = {"real/log_loss": Score(0.6, ""), "synthetic/log_loss": Score(0.2, "")}


def test_each_selection_weighs_the_domains_as_it_says() -> None:
    assert RealValidation().loss(SCORES, "log_loss") == 0.6
    assert FixedBudget().loss(SCORES, "log_loss") == 0.6
    assert SyntheticValidation().loss(SCORES, "log_loss") == 0.2
    assert MixedValidation(0.25).loss(SCORES, "log_loss") == pytest.approx(0.5)


def test_lower_is_better_but_for_a_fixed_budget() -> None:
    assert RealValidation().improves(0.4, 0.5)
    assert not RealValidation().improves(0.5, 0.5)
    assert not RealValidation().improves(math.nan, math.inf)
    assert FixedBudget().improves(0.9, 0.5)
    assert FixedBudget().improves(math.nan, 0.5)


def test_an_undefined_score_makes_the_loss_undefined() -> None:
    scores = SCORES | {"synthetic/log_loss": Score(math.nan, "why")}
    assert math.isnan(MixedValidation().loss(scores, "log_loss"))
    assert RealValidation().loss(scores, "log_loss") == 0.6


def test_missing_rows_and_odd_weights_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"set data\.val_synthetic_rows above 0"):
        SyntheticValidation().loss({"real/rmse": Score(1.0, "")}, "rmse")
    for weight in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigurationError, match=r"must lie in \(0, 1\)"):
            MixedValidation(weight)


def test_a_module_without_a_selection_goes_by_the_real_rows() -> None:
    assert isinstance(selection_of(object()), RealValidation)
