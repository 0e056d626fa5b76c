"""What the kept weights are selected by: real validation rows, synthetic ones, both, or nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score, metric_named, specs, stopping_metric


class Selection(ABC):
    """How `val/loss` is made of the scores per domain, and which weights a fit returns.

    Early stopping, the best weights and the interpolation of weights all follow it, and zero-shot
    is judged by the same rule, as a candidate.

    Attributes:
        title: Which rows count, in words for reports.
        keeps_last: Whether a fit returns its last weights and never stops early.
    """

    title: ClassVar[str] = "validation"
    keeps_last: ClassVar[bool] = False

    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """Weight of each domain of rows ("real", "synthetic") in `val/loss`; they sum to 1."""

    def metric(self, is_classification: bool) -> str:
        """Name of the metric that the loss is made of: log-loss or RMSE."""
        return stopping_metric(is_classification)

    def loss_name(self, is_classification: bool) -> str:
        """The loss in words, "log_loss" or "1 - roc_auc", say."""
        metric = self.metric(is_classification)
        return metric if metric_named(metric).sign < 0 else f"1 - {metric}"

    def loss(self, scores: Mapping[str, Score], is_classification: bool) -> float:
        """The number to minimise.

        Args:
            scores: "domain/metric" → score, of one validation.
            is_classification: Whether the targets are classes.

        Returns:
            The weighted mean of `metric` over the domains, of 1 minus it where more is better; NaN
            where a score is undefined.

        Raises:
            ConfigurationError: If a domain that counts has no rows.
        """
        metric = self.metric(is_classification)
        for domain in self.weights():
            if f"{domain}/{metric}" not in scores:
                raise ConfigurationError(
                    f"{type(self).__name__} selects by the {domain} validation rows, and there are "
                    f"none: set data.{_ROWS[domain]}, or choose another model.selection"
                )
        terms = [
            weight * scores[f"{domain}/{metric}"].value for domain, weight in self.weights().items()
        ]
        mean = math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan
        return mean if metric_named(metric).sign < 0 else 1.0 - mean

    def bar(self, zero_shot: Mapping[str, Score], is_classification: bool) -> float:
        """The loss that weights have to fall below to take the place of zero-shot: its own."""
        return self.loss(zero_shot, is_classification)

    def improves(self, score: float, best: float) -> bool:
        """Whether weights of this score take the place of the best so far; never for NaN."""
        return score < best


_ROWS = {
    "real": "split.val_fraction above 0",
    "synthetic": "val_synthetic_rows above 0",
}


class RealValidation(Selection):
    """Log-loss or RMSE over the real validation rows (the default)."""

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0}


class SyntheticValidation(Selection):
    """The same over synthetic rows drawn from the generator, `data.val_synthetic_rows` of them.

    The rows are drawn once, apart from those of any episode, so that no two validations differ by
    them. The generator has learned from the training rows alone, so no real validation row takes
    part in the selection; the split stays what it is, for comparability [our choice].

    It is the generator of the training rows, `SCMGenerator` unless told otherwise. One that nearly
    copies training rows (`JitterGenerator`, `TableAugmentGenerator`) makes validation rows that
    the context gives away: their scores tell little.
    """

    title = "synthetic validation"

    def weights(self) -> Mapping[str, float]:
        return {"synthetic": 1.0}


class MixedValidation(Selection):
    """A weighted mean of both: a few real rows steadied by many synthetic ones [our choice].

    Args:
        synthetic_weight: Weight of the synthetic rows' score, strictly between 0 and 1.

    Raises:
        ConfigurationError: If the weight lies outside (0, 1).

    Example:
        >>> MixedValidation(synthetic_weight=0.25).weights()
        {'real': 0.75, 'synthetic': 0.25}
    """

    title = "mixed validation"

    def __init__(self, synthetic_weight: float = 0.5) -> None:
        if not 0.0 < synthetic_weight < 1.0:
            raise ConfigurationError(
                f"synthetic_weight must lie in (0, 1), got {synthetic_weight}: for one kind of "
                "rows alone choose RealValidation or SyntheticValidation"
            )
        self.synthetic_weight = synthetic_weight

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0 - self.synthetic_weight, "synthetic": self.synthetic_weight}


class CautiousValidation(RealValidation):
    """The metric that is reported, and zero-shot is left for a gain that is worth it alone.

    Weights are compared by the first metric of the task over the real validation rows, ROC-AUC or
    RMSE, and the best of them take the place of zero-shot where they improve on it by more than
    `min_gain`. A validation of some hundred rows picks by chance: without a bar it leaves zero-shot
    for gains that test rows do not confirm [our choice, measured in docs/results.md].

    Args:
        min_gain: Percent of the zero-shot score, at least 0.

    Raises:
        ConfigurationError: If it is negative.

    Example:
        >>> zero_shot = {"real/roc_auc": Score(0.80)}
        >>> round(CautiousValidation(min_gain=1.0).bar(zero_shot, is_classification=True), 3)
        0.192
    """

    title = "cautious validation"

    def __init__(self, min_gain: float = 1.0) -> None:
        if not min_gain >= 0.0:
            raise ConfigurationError(f"min_gain must be at least 0 percent, got {min_gain}")
        self.min_gain = min_gain

    def metric(self, is_classification: bool) -> str:
        return specs(is_classification)[0].name

    def bar(self, zero_shot: Mapping[str, Score], is_classification: bool) -> float:
        score = zero_shot[f"real/{self.metric(is_classification)}"].value
        return self.loss(zero_shot, is_classification) - abs(score) * self.min_gain / 100.0


class BalancedValidation(RealValidation):
    """Balanced accuracy over the real validation rows, for classes of very different numbers.

    Training that weights or balances classes raises the probabilities of rare ones, which log-loss
    punishes as long as rare rows are rare in validation: by the default rule zero-shot would stay.
    """

    title = "balanced validation"

    def metric(self, is_classification: bool) -> str:
        if not is_classification:
            raise ConfigurationError(
                "BalancedValidation selects by balanced accuracy, and the task is regression: "
                "choose another model.selection"
            )
        return "balanced_accuracy"


class FixedBudget(Selection):
    """No selection: the fit runs to its end, and the last weights are returned, whatever they are.

    `val/loss` is still logged, over the real validation rows. Zero-shot is scored, but is no
    candidate: the result may be worse.
    """

    keeps_last = True

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0}

    def improves(self, score: float, best: float) -> bool:
        return True
