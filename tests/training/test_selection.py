import math

import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.training.selection import (
    CautiousValidation,
    FixedBudget,
    MixedValidation,
    RealValidation,
    SyntheticValidation,
)

SCORES = {"real/log_loss": Score(0.6, ""), "synthetic/log_loss": Score(0.2, "")}


def test_each_selection_weighs_the_domains_as_it_says() -> None:
    assert RealValidation().loss(SCORES, True) == 0.6
    assert FixedBudget().loss(SCORES, True) == 0.6
    assert SyntheticValidation().loss(SCORES, True) == 0.2
    assert MixedValidation(0.25).loss(SCORES, True) == pytest.approx(0.5)


def test_lower_is_better_but_for_a_fixed_budget() -> None:
    assert RealValidation().improves(0.4, 0.5)
    assert not RealValidation().improves(0.5, 0.5)
    assert not RealValidation().improves(math.nan, math.inf)
    assert FixedBudget().improves(0.9, 0.5)
    assert FixedBudget().improves(math.nan, 0.5)


def test_an_undefined_score_makes_the_loss_undefined() -> None:
    scores = SCORES | {"synthetic/log_loss": Score(math.nan, "why")}
    assert math.isnan(MixedValidation().loss(scores, True))
    assert RealValidation().loss(scores, True) == 0.6


def test_missing_rows_and_odd_weights_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"set data\.val_synthetic_rows above 0"):
        SyntheticValidation().loss({"real/rmse": Score(1.0, "")}, False)
    for weight in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigurationError, match=r"must lie in \(0, 1\)"):
            MixedValidation(weight)


def test_zero_shot_sets_its_own_bar() -> None:
    assert RealValidation().bar(SCORES, True) == 0.6


@pytest.mark.parametrize(
    ("is_classification", "metric", "zero", "enough", "too_little"),
    [(True, "roc_auc", 0.8, 0.817, 0.815), (False, "rmse", 5.0, 4.89, 4.91)],
)
def test_caution_asks_for_a_gain_in_the_metric_that_is_reported(
    is_classification: bool, metric: str, zero: float, enough: float, too_little: float
) -> None:
    selection = CautiousValidation(min_gain=2.0)
    assert selection.metric(is_classification) == metric

    def scores(value: float) -> dict[str, Score]:
        return {f"real/{metric}": Score(value), "real/log_loss": Score(math.nan)}

    bar = selection.bar(scores(zero), is_classification)
    assert selection.improves(selection.loss(scores(enough), is_classification), bar)
    assert not selection.improves(selection.loss(scores(too_little), is_classification), bar)
    none = CautiousValidation(min_gain=0.0)
    assert none.bar(scores(zero), is_classification) == none.loss(scores(zero), is_classification)


def test_losses_say_what_they_are_made_of() -> None:
    assert RealValidation().loss_name(True) == "log_loss"
    assert CautiousValidation().loss_name(True) == "1 - roc_auc"
    assert CautiousValidation().loss_name(False) == "rmse"
    with pytest.raises(ConfigurationError, match="at least 0 percent, got -1"):
        CautiousValidation(-1.0)
