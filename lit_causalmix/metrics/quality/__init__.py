"""How good synthetic rows are: pure functions over coded rows, and one summary of them all."""

from lit_causalmix.metrics.quality.records import (
    ClosestRecords,
    closest_distances,
    closest_records,
)
from lit_causalmix.metrics.quality.shapes import column_shapes, ks_complement, tv_complement
from lit_causalmix.metrics.quality.summary import QualityReport, assess
from lit_causalmix.metrics.quality.trends import (
    PairTrends,
    associations,
    contingency_similarity,
    correlation_similarity,
    pair_trends,
)
from lit_causalmix.metrics.quality.two_sample import two_sample_auc
from lit_causalmix.metrics.quality.utility import train_on_one_test_on_other

__all__ = [
    "ClosestRecords",
    "PairTrends",
    "QualityReport",
    "assess",
    "associations",
    "closest_distances",
    "closest_records",
    "column_shapes",
    "contingency_similarity",
    "correlation_similarity",
    "ks_complement",
    "pair_trends",
    "train_on_one_test_on_other",
    "tv_complement",
    "two_sample_auc",
]
