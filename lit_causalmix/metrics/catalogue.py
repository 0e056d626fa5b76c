"""The metrics by name: which way is better, what a reader calls them, how they are computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics.functional import (
    Score,
    accuracy,
    balanced_accuracy,
    brier_score,
    expected_calibration_error,
    log_loss,
    mean_absolute_error,
    normalized_score,
    r2,
    roc_auc,
    root_mean_squared_error,
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class MetricSpec:
    """A metric: a pure function of predictions and targets, with what is to be known of it.

    One of your own is a subclass that calls this constructor, named in `model.metrics`; it is
    scored, logged and normalised beside the others.

    Args:
        name: In names of logged scores: small letters, digits and underscores.
        label: As a reader knows it.
        sign: +1 where more is better, -1 where less is better.
        classification: Whether it scores probabilities float (N, K) against classes int64 (N,);
            otherwise values float64 (N,) against targets float64 (N,).
        function: Computes it, over one row or more.

    Raises:
        ConfigurationError: For a name or a sign out of range, or a name that another metric has.

    Example:
        >>> metric_named("mae").sign, metric_named("mae").label
        (-1, 'MAE')
    """

    def __init__(
        self,
        name: str,
        label: str,
        sign: int,
        classification: bool,
        function: Callable[[Tensor, Tensor], Score],
    ) -> None:
        if not _NAME.fullmatch(name) or sign not in (-1, 1):
            raise ConfigurationError(
                "a metric has a name of small letters, digits and underscores, and the sign 1 or "
                f"-1, got {name!r} and {sign}"
            )
        self.name = name
        self.label = label
        self.sign = sign
        self.classification = classification
        self.function = function
        known = _CATALOGUE.setdefault(name, self)
        if (known.label, known.sign, known.classification) != (label, sign, classification):
            raise ConfigurationError(
                f"the name {name!r} is that of the metric {known.label!r}: choose another"
            )


_CATALOGUE: dict[str, MetricSpec] = {}

CLASSIFICATION: tuple[MetricSpec, ...] = (
    MetricSpec("roc_auc", "ROC-AUC", +1, True, roc_auc),
    MetricSpec("log_loss", "log-loss", -1, True, log_loss),
    MetricSpec("accuracy", "accuracy", +1, True, accuracy),
    MetricSpec("balanced_accuracy", "balanced accuracy", +1, True, balanced_accuracy),
    MetricSpec("ece", "calibration error", -1, True, expected_calibration_error),
    MetricSpec("brier", "Brier score", -1, True, brier_score),
)
REGRESSION: tuple[MetricSpec, ...] = (
    MetricSpec("rmse", "RMSE", -1, False, root_mean_squared_error),
    MetricSpec("mae", "MAE", -1, False, mean_absolute_error),
    MetricSpec("r2", "R²", +1, False, r2),
)


def metric_named(name: str) -> MetricSpec:
    """The metric of a name, of this package or defined in this process.

    Raises:
        ConfigurationError: If there is none.
    """
    if name not in _CATALOGUE:
        raise ConfigurationError(f"no metric {name!r}: there are {', '.join(_CATALOGUE)}")
    return _CATALOGUE[name]


def specs(is_classification: bool, further: Sequence[MetricSpec] = ()) -> tuple[MetricSpec, ...]:
    """Metrics of a task, the headline metric first, and those of `further` that are for it."""
    own = CLASSIFICATION if is_classification else REGRESSION
    return (*own, *(m for m in further if m.classification == is_classification))


def stopping_metric(is_classification: bool) -> str:
    """Name of the metric that early stopping and best-weight selection follow."""
    return "log_loss" if is_classification else "rmse"


def normalized_scores(
    scores: Mapping[str, Score], baseline: Mapping[str, Score]
) -> dict[str, Score]:
    """Normalises each "domain/metric" that the baseline has, by `normalized_score`.

    Example:
        >>> normalized_scores({"real/mae": Score(3.0)}, {"real/mae": Score(4.0)})
        {'real/mae': Score(value=25.0, note='')}
    """
    return {
        key: normalized_score(score, baseline[key], metric_named(key.rsplit("/", 1)[1]).sign)
        for key, score in scores.items()
        if key in baseline
    }
