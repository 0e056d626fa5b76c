"""Scores, their normalisation, and the torchmetrics classes around them."""

from lit_causalmix.metrics.domains import DomainScores
from lit_causalmix.metrics.functional import (
    CLASSIFICATION,
    REGRESSION,
    SIGNS,
    MetricSpec,
    Score,
    normalized_score,
    normalized_scores,
    specs,
    stopping_metric,
)
from lit_causalmix.metrics.gap import rank_gap, selection_gap
from lit_causalmix.metrics.rowwise import RowMetric, Rows, row_metrics

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "SIGNS",
    "DomainScores",
    "MetricSpec",
    "RowMetric",
    "Rows",
    "Score",
    "normalized_score",
    "normalized_scores",
    "rank_gap",
    "row_metrics",
    "selection_gap",
    "specs",
    "stopping_metric",
]
