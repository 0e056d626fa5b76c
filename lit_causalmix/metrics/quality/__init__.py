"""How good synthetic rows are: pure functions over coded rows, and one summary of them all."""

from lit_causalmix.metrics.quality.embedding import Embedding
from lit_causalmix.metrics.quality.frechet import faed, fpcad, frechet_distance
from lit_causalmix.metrics.quality.inception import inception_score, random_forest_inception_score
from lit_causalmix.metrics.quality.measurement import Likeness, Measurement
from lit_causalmix.metrics.quality.measures import MEASURES, check_measures, quality_numbers
from lit_causalmix.metrics.quality.precision_recall import PrecisionRecall, precision_recall
from lit_causalmix.metrics.quality.records import (
    ClosestRecords,
    closest_distances,
    closest_records,
)
from lit_causalmix.metrics.quality.shapes import column_shapes, ks_complement, tv_complement
from lit_causalmix.metrics.quality.structure import chosen_columns, skills
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
from lit_causalmix.metrics.quality.verdict import faults, lost_classes

__all__ = [
    "MEASURES",
    "ClosestRecords",
    "Embedding",
    "Likeness",
    "Measurement",
    "PairTrends",
    "PrecisionRecall",
    "QualityReport",
    "assess",
    "associations",
    "check_measures",
    "chosen_columns",
    "closest_distances",
    "closest_records",
    "column_shapes",
    "contingency_similarity",
    "correlation_similarity",
    "faed",
    "faults",
    "fpcad",
    "frechet_distance",
    "inception_score",
    "ks_complement",
    "lost_classes",
    "pair_trends",
    "precision_recall",
    "quality_numbers",
    "random_forest_inception_score",
    "skills",
    "train_on_one_test_on_other",
    "tv_complement",
    "two_sample_auc",
]
