"""torchmetrics classes around the pure scores, exact under distributed evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from lit_causalmix.metrics.catalogue import MetricSpec, specs
from lit_causalmix.metrics.functional import Score

NO_ROWS = "no rows"
"""Note of a score that nothing was collected for."""

NOT_FINITE = "some predictions are not finite"
"""Note of a score that predictions cannot be given."""


class Rows(Metric):
    """Predictions with something known of each row, gathered over batches and ranks."""

    full_state_update = False
    predictions: list[Tensor]
    facts: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("predictions", [], dist_reduce_fx="cat")
        self.add_state("facts", [], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, facts: Tensor) -> None:
        """Adds rows; zero rows are welcome, and needed so that all ranks hold a state.

        Args:
            predictions: Probabilities float (N, K), or values float (N,).
            facts: One number a row (N,): its target, or its position in the source.
        """
        self.predictions.append(predictions.detach())
        self.facts.append(facts.detach())

    def compute(self) -> Any:
        """All predictions (N, …) and facts (N,), of all ranks once synced."""
        return dim_zero_cat(self.predictions), dim_zero_cat(self.facts)

    def scores(self, specs: Sequence[MetricSpec]) -> list[Score]:
        """A score of each metric, over the rows of this process (all rows once synced).

        The facts have to be targets.
        """
        if not len(self.facts):  # a list of batches, or one tensor once the ranks are synced
            return [Score(math.nan, NO_ROWS)] * len(specs)
        predictions, targets = dim_zero_cat(self.predictions), dim_zero_cat(self.facts)
        if not len(targets):
            return [Score(math.nan, NO_ROWS)] * len(specs)
        if not bool(torch.isfinite(predictions).all()):
            return [Score(math.nan, NOT_FINITE)] * len(specs)
        return [spec.function(predictions, targets) for spec in specs]


class RowMetric(Rows):
    """A score over all rows seen since the last reset, on all ranks.

    Predictions and targets are kept and concatenated, so the value equals the one that a single
    process computes over all rows; it is no average of batch averages.

    Args:
        spec: The metric to compute.
    """

    def __init__(self, spec: MetricSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def score(self) -> Score:
        """The score with its note, over the rows of this process (all rows once synced)."""
        return self.scores([self.spec])[0]

    def compute(self) -> Tensor:
        """The score as a float64 scalar, NaN where it is undefined."""
        return torch.tensor(self.score().value, dtype=torch.float64)


def row_metrics(is_classification: bool, further: Sequence[MetricSpec] = ()) -> MetricCollection:
    """All metrics of a task, and those of `further` for it, sharing one copy of the rows."""
    chosen = specs(is_classification, further)
    return MetricCollection({spec.name: RowMetric(spec) for spec in chosen})
