"""Scores, their normalisation, and the torchmetrics classes around them."""

from lit_causalmix.metrics.catalogue import (
    CLASSIFICATION,
    REGRESSION,
    MetricSpec,
    metric_named,
    normalized_scores,
    specs,
    stopping_metric,
)
from lit_causalmix.metrics.domains import DomainScores
from lit_causalmix.metrics.functional import Score, normalized_score
from lit_causalmix.metrics.gap import rank_gap, selection_gap
from lit_causalmix.metrics.rowwise import RowMetric, Rows, row_metrics

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "DomainScores",
    "MetricSpec",
    "RowMetric",
    "Rows",
    "Score",
    "metric_named",
    "normalized_score",
    "normalized_scores",
    "rank_gap",
    "row_metrics",
    "selection_gap",
    "specs",
    "stopping_metric",
]
