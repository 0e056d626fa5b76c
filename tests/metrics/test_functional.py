import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_calibration_error

from lit_causalmix.metrics import CLASSIFICATION, REGRESSION, Score, normalized_score
from lit_causalmix.metrics.functional import (
    CALIBRATION_BINS,
    balanced_accuracy,
    brier_score,
    expected_calibration_error,
    log_loss,
    r2,
    roc_auc,
    root_mean_squared_error,
)


def _problem(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.arange(n) % k)
    # Rounded, so that there are ties.
    p = generator.dirichlet(np.ones(k), n).round(1) + 0.01 * np.eye(k)[y]
    p /= p.sum(1, keepdims=True)
    return torch.tensor(p, dtype=torch.float32), torch.tensor(y)


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_classification_equals_scikit_learn(k: int, seed: int) -> None:
    p, y = _problem(120, k, seed)
    labels = p.argmax(1)
    auc = (
        sk.roc_auc_score(y, p[:, 1])
        if k == 2
        else sk.roc_auc_score(y, p.double() / p.double().sum(1, keepdim=True), multi_class="ovr")
    )
    expected = {
        "roc_auc": auc,
        "log_loss": sk.log_loss(y, p.double() / p.double().sum(1, keepdim=True)),
        "accuracy": sk.accuracy_score(y, labels),
        "balanced_accuracy": sk.balanced_accuracy_score(y, labels),
        "ece": float(multiclass_calibration_error(p.double(), y, k, n_bins=CALIBRATION_BINS)),
        "brier": float(np.square(p.double().numpy() - np.eye(k)[y]).sum(1).mean()),
    }
    for spec in CLASSIFICATION:
        assert spec.function(p, y).value == pytest.approx(expected[spec.name], abs=2e-6), spec.name


def test_calibration_error_known_answers() -> None:
    p = torch.tensor([[0.8, 0.2]] * 10 + [[0.4, 0.6]] * 10)
    y = torch.tensor([0] * 8 + [1] * 2 + [1] * 3 + [0] * 7)
    # Confidence .8 is right 8 times in 10; confidence .6 only 3 times.
    assert expected_calibration_error(p, y).value == pytest.approx(0.5 * 0.3, abs=1e-6)
    certain = torch.eye(2)[[0, 1, 1]]
    assert expected_calibration_error(certain, torch.tensor([0, 1, 1])).value == 0
    assert expected_calibration_error(certain, torch.tensor([1, 0, 0])).value == 1


def test_rows_of_probability_one_share_the_last_bin_with_those_just_below() -> None:
    p = torch.tensor([[1.0, 0.0], [0.95, 0.05]])
    right_and_wrong = expected_calibration_error(p, torch.tensor([0, 1])).value
    assert right_and_wrong == pytest.approx(abs(0.5 - 0.975), abs=1e-6)


def test_brier_score_scale() -> None:
    p = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
    y = torch.tensor([0, 0, 1])
    assert brier_score(p, y).value == pytest.approx(2 * sk.brier_score_loss(y, p[:, 1]))
    assert brier_score(torch.eye(2), torch.tensor([1, 0])).value == 2


def test_regression_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    y, p = generator.normal(size=50), generator.normal(size=50)
    expected = {
        "mae": sk.mean_absolute_error(y, p),
        "rmse": sk.root_mean_squared_error(y, p),
        "r2": sk.r2_score(y, p),
    }
    for spec in REGRESSION:
        value = spec.function(torch.tensor(p), torch.tensor(y)).value
        assert value == pytest.approx(expected[spec.name], abs=1e-12)


def test_roc_auc_with_one_class_is_undefined_and_says_why() -> None:
    score = roc_auc(torch.full((4, 2), 0.5), torch.zeros(4, dtype=torch.long))
    assert not score.defined
    assert "only one is present" in score.note


def test_roc_auc_leaves_out_absent_classes_and_says_so() -> None:
    p, y = _problem(60, 3, 0)
    kept = y != 2
    score = roc_auc(p[kept], y[kept])
    expected = np.mean([sk.roc_auc_score(y[kept] == c, p[kept, c]) for c in (0, 1)])
    assert score.value == pytest.approx(expected, abs=1e-6)
    assert score.note == "1 of 3 classes have no row and are left out"


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    score = log_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert score.value == pytest.approx(-math.log(1e-7))


def test_balanced_accuracy_ignores_absent_classes() -> None:
    p = torch.eye(3)[[0, 0, 1, 1]]
    assert balanced_accuracy(p, torch.tensor([0, 0, 1, 0])).value == pytest.approx((2 / 3 + 1) / 2)


def test_r2_of_constant_targets_is_undefined() -> None:
    assert not r2(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 3.0])).defined


def test_normalized_score_known_answers() -> None:
    assert normalized_score(Score(0.81), Score(0.80), +1).value == pytest.approx(1.25)
    assert normalized_score(Score(0.40), Score(0.50), -1).value == pytest.approx(20.0)
    assert normalized_score(Score(-0.1), Score(-0.2), +1).value == pytest.approx(50.0)
    assert str(normalized_score(Score(0.5), Score(0.5), -1).value) == "0.0"


def test_normalized_score_undefined_cases_say_why() -> None:
    assert "is 0" in normalized_score(Score(0.5), Score(0.0), +1).note
    assert normalized_score(Score(math.nan, "because"), Score(1.0), +1).note == "because"
    assert normalized_score(Score(1.0), Score(math.nan, "so"), +1).note == "so"


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.sampled_from([-1, 1]))
def test_normalized_score_is_positive_exactly_when_better(a: float, b: float, sign: int) -> None:
    value = normalized_score(Score(a), Score(b), sign).value
    assert (value > 0) == (sign * a > sign * b) or a == pytest.approx(b)


@pytest.mark.parametrize("power", [-1060, -900, -170, 0, 170, 900, 1020])
def test_regression_scores_follow_the_unit_of_the_target_exactly(power: int) -> None:
    generator = np.random.default_rng(1)
    y, p = (torch.tensor(generator.integers(-9, 9, 30).astype(np.float64)) for _ in range(2))
    scale = 2.0**power
    for spec in REGRESSION:
        expected = spec.function(p, y).value
        factor = 1.0 if spec.name == "r2" else scale
        found = spec.function(p * scale, y * scale).value
        assert found == pytest.approx(expected * factor, rel=1e-12, abs=5e-324)


def test_errors_far_smaller_than_the_target_keep_their_digits() -> None:
    y = torch.tensor([1e300, 2e300, 1e-10, 2e-10], dtype=torch.float64)
    p = y + torch.tensor([0, 0, 1e-20, -1e-20], dtype=torch.float64)
    assert root_mean_squared_error(p, y).value == pytest.approx(0.5e-20 * math.sqrt(2), rel=1e-3)


def test_an_infinite_score_is_not_normalised() -> None:
    assert not normalized_score(Score(math.inf), Score(1.0), -1).defined
    assert not normalized_score(Score(1.0), Score(math.inf), -1).defined


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_probability_above_1_by_a_rounding_leaves_the_roc_curve(dtype: torch.dtype) -> None:
    """A sigmoid of scores near 0 would make ties of them."""
    second = torch.tensor([3e-8, 1e-8, 2e-9, 1.0000002], dtype=dtype)
    p = torch.stack([1 - second, second], dim=1)
    assert roc_auc(p, torch.tensor([0, 0, 1, 1])).value == 0.5
    none = torch.zeros_like(second)
    three = torch.stack([second, none, none], dim=1)
    assert roc_auc(three, torch.tensor([2, 2, 0, 0])).value == 0.5
