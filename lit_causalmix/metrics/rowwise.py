"""torchmetrics classes around the pure scores, exact under distributed evaluation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from lit_causalmix.metrics.functional import MetricSpec, Score, specs


class RowMetric(Metric):
    """A score over all rows seen since the last reset, on all ranks.

    Predictions and targets are kept and concatenated, so the value equals the one that a single
    process computes over all rows; it is no average of batch averages.

    Args:
        spec: The metric to compute.
    """

    full_state_update = False
    predictions: list[Tensor]
    targets: list[Tensor]

    def __init__(self, spec: MetricSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.higher_is_better = spec.sign > 0
        self.add_state("predictions", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Adds rows; zero rows are welcome, and needed so that all ranks hold a state.

        Args:
            predictions: Probabilities float (N, K), or values float (N,).
            targets: Class indices int64 (N,), or values float (N,).
        """
        self.predictions.append(predictions.detach())
        self.targets.append(targets.detach())

    def score(self) -> Score:
        """The score with its note, over the rows of this process (all rows once synced)."""
        if not self.targets:
            return Score(float("nan"), "no rows")
        predictions, targets = dim_zero_cat(self.predictions), dim_zero_cat(self.targets)
        if not len(targets):
            return Score(float("nan"), "no rows")
        return self.spec.function(predictions, targets)

    def compute(self) -> Tensor:
        """The score as a float64 scalar, NaN where it is undefined."""
        return torch.tensor(self.score().value, dtype=torch.float64)


def row_metrics(is_classification: bool) -> MetricCollection:
    """All metrics of a task, sharing one copy of the rows."""
    return MetricCollection({spec.name: RowMetric(spec) for spec in specs(is_classification)})
