"""Scores as pure functions of predictions and targets.

Every function returns a `Score`: the value, NaN where it is undefined, and a note that says why or
what was left out. Shapes: N = rows, K = classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

_SMALLEST_PROBABILITY = 1e-7

CALIBRATION_BINS = 15
"""Bins of the expected calibration error, as in Guo et al."""


@dataclass(frozen=True)
class Score:
    """A value, NaN when undefined, with the reason or a remark."""

    value: float
    note: str = ""

    @property
    def defined(self) -> bool:
        return not math.isnan(self.value)


def _undefined(note: str) -> Score:
    return Score(math.nan, note)


def roc_auc(probabilities: Tensor, targets: Tensor) -> Score:
    """Area under the ROC curve: of class 1 for two classes, else one-vs-rest, macro average.

    Classes without a row among the targets have no curve and are left out of the average, which
    the note says. With a single class present the score is undefined.

    Args:
        probabilities: float (N, K).
        targets: int64 (N,), class indices.

    Example:
        >>> p = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
        >>> roc_auc(p, torch.tensor([0, 1, 1])).value
        1.0
        >>> roc_auc(p, torch.tensor([1, 1, 1])).note
        'ROC-AUC needs two classes among the rows, only one is present'
    """
    n_classes = probabilities.shape[1]
    # torchmetrics takes scores beyond [0, 1], be it by one rounding, for logits of a sigmoid.
    probabilities = probabilities.clamp(0, 1)
    present = torch.bincount(targets, minlength=n_classes) > 0
    if int(present.sum()) < 2:
        return _undefined("ROC-AUC needs two classes among the rows, only one is present")
    if n_classes == 2:
        return Score(float(binary_auroc(probabilities[:, 1], targets)))
    scores = [
        float(binary_auroc(probabilities[:, k], (targets == k).long()))
        for k in range(n_classes)
        if present[k]
    ]
    missing = n_classes - len(scores)
    note = f"{missing} of {n_classes} classes have no row and are left out" if missing else ""
    return Score(sum(scores) / len(scores), note)


def log_loss(probabilities: Tensor, targets: Tensor) -> Score:
    """Mean negative log-likelihood in nats, probabilities clipped to at least 1e-7.

    Example:
        >>> round(log_loss(torch.tensor([[0.5, 0.5]]), torch.tensor([1])).value, 4)
        0.6931
    """
    chosen = probabilities.double().gather(1, targets[:, None]).clamp_min(_SMALLEST_PROBABILITY)
    return Score(float(-chosen.log().mean()))


def accuracy(probabilities: Tensor, targets: Tensor) -> Score:
    """Share of rows whose most probable class is the target, 0 to 1.

    Example:
        >>> accuracy(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1])).value
        0.5
    """
    return Score(float((probabilities.argmax(1) == targets).double().mean()))


def balanced_accuracy(probabilities: Tensor, targets: Tensor) -> Score:
    """Mean recall over the classes that are present, 0 to 1.

    Example:
        >>> balanced_accuracy(torch.tensor([[1.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])).value
        0.5
    """
    n_classes = probabilities.shape[1]
    rows = torch.bincount(targets, minlength=n_classes).double()
    hits = torch.bincount(targets[probabilities.argmax(1) == targets], minlength=n_classes).double()
    return Score(float((hits[rows > 0] / rows[rows > 0]).mean()))


def expected_calibration_error(
    probabilities: Tensor, targets: Tensor, n_bins: int = CALIBRATION_BINS
) -> Score:
    """Top-label calibration error, 0 to 1: mean distance of confidence and accuracy over the bins.

    Rows are binned by the probability of their most probable class, in `n_bins` bins of equal
    width, closed above; each bin weighs by its share of rows (Guo et al., ICML 2017, section 2).
    It is biased upwards on few rows: compare it on the same rows only. Where zero-shot is well
    calibrated its normalised score divides by a number near 0, so read the difference instead.

    Args:
        probabilities: float (N, K).
        targets: int64 (N,), class indices.
        n_bins: Number of bins.

    Example:
        >>> sure = torch.tensor([[1.0, 0.0]] * 4)
        >>> expected_calibration_error(sure, torch.tensor([0, 0, 0, 1])).value
        0.25
    """
    confidence, predicted = probabilities.double().max(1)
    bins = ((confidence * n_bins).ceil().long() - 1).clamp(0, n_bins - 1)
    gap = (predicted == targets).double() - confidence
    # A bin's |accuracy − confidence| times its share of rows is its summed gap over all rows.
    total = torch.zeros(n_bins, dtype=torch.float64, device=gap.device).index_add(0, bins, gap)
    return Score(float(total.abs().sum() / len(targets)))


def brier_score(probabilities: Tensor, targets: Tensor) -> Score:
    """Mean over rows of the squared distance of the probabilities to the one-hot target, 0 to 2.

    Summed over all classes (Brier, 1950): with two classes it is twice the one-class form.

    Example:
        >>> brier_score(torch.tensor([[0.5, 0.5]]), torch.tensor([0])).value
        0.5
    """
    p = probabilities.double()
    one_hot = torch.nn.functional.one_hot(targets, p.shape[1])
    return Score(float((p - one_hot).square().sum(1).mean()))


def _unit(values: Tensor) -> float:
    """A power of two near the largest magnitude: dividing by it is exact, and squares stay finite.

    Between 2**-1000 and 2**1023, so that neither it nor its reciprocal overflows.
    """
    largest = float(values.abs().max())
    exponent = math.frexp(largest)[1] + 1 if math.isfinite(largest) else 0
    return math.ldexp(1.0, max(-1000, min(exponent, 1023)))


def _errors(predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, float]:
    """Errors and targets as multiples of a unit, float64 (N,) each, and the unit."""
    unit = _unit(torch.cat([predictions.double(), targets.double()]))
    scaled = targets.double() / unit
    return predictions.double() / unit - scaled, scaled, unit


def mean_absolute_error(predictions: Tensor, targets: Tensor) -> Score:
    """MAE in the target's units, whatever their scale.

    Example:
        >>> mean_absolute_error(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 1.0])).value
        2.0
    """
    errors, _, unit = _errors(predictions, targets)
    return Score(float(errors.abs().mean()) * unit)


def root_mean_squared_error(predictions: Tensor, targets: Tensor) -> Score:
    """RMSE in the target's units, whatever their scale.

    Example:
        >>> root_mean_squared_error(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 1.0])).value ** 2
        8.000000000000002
    """
    errors, _, unit = _errors(predictions, targets)
    size = _unit(errors)  # errors can be far smaller than the numbers that they are errors of
    return Score(math.sqrt(float((errors / size).square().mean())) * size * unit)


def r2(predictions: Tensor, targets: Tensor) -> Score:
    """Coefficient of determination; undefined when all targets are equal.

    Example:
        >>> r2(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0])).value
        1.0
    """
    if targets.max() == targets.min():
        return _undefined("R² needs targets that vary")
    errors, scaled, _ = _errors(predictions, targets)
    deviations = scaled - scaled.mean()
    size = _unit(deviations)
    total = float((deviations / size).square().sum())
    return Score(1.0 - float((errors / size).square().sum()) / total)


def normalized_score(score: Score, baseline: Score, sign: int) -> Score:
    """Percentage by which a score improves on the same model's zero-shot score.

    sign × (score / baseline − 1) × 100 (CausalMixFT, arXiv 2601.04110, after Gorishniy et al.).
    The division is by the baseline's magnitude, so that a negative baseline (R² below 0) keeps
    "more is better" [our choice; the two agree for positive baselines].

    Args:
        score: Score of the method.
        baseline: Zero-shot score of the same model on the same rows.
        sign: +1 where more is better, −1 where less is better.

    Example:
        >>> round(normalized_score(Score(0.84), Score(0.80), sign=+1).value, 6)
        5.0
        >>> round(normalized_score(Score(2.2), Score(2.0), sign=-1).value, 6)  # an error that grew
        -10.0
    """
    if not score.defined or not baseline.defined:
        return _undefined(score.note or baseline.note)
    if math.isinf(score.value) or math.isinf(baseline.value):
        return _undefined("a score beyond the range of float64 has no ratio")
    if baseline.value == 0:
        return _undefined("the zero-shot score is 0, nothing can be divided by it")
    gain = sign * (score.value - baseline.value) / abs(baseline.value) * 100.0
    return Score(gain + 0.0)  # an unchanged error is 0, not -0
