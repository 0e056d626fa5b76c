"""Statistics over the runs of a study: pure functions of a table of scores.

The input is one row per run, with the columns table, domain, task, method, backbone, seed, size,
ratio and one per score (`test/real/roc_auc_normalized`, …).
"""

from lit_causalmix.study.statistics.aggregate import OVERALL, aggregate, table_means
from lit_causalmix.study.statistics.bootstrap import Bootstrap, Estimate
from lit_causalmix.study.statistics.effects import (
    Effects,
    PairedSummary,
    paired_effects,
    summarise,
)
from lit_causalmix.study.statistics.means import (
    EQUIVALENT,
    detectable_effect,
    equivalence_p,
    student_interval,
)
from lit_causalmix.study.statistics.ranks import Ranking, rank_methods
from lit_causalmix.study.statistics.scaling import (
    FRESH,
    ScalingCurve,
    scaling_curve,
    slope_effects,
)
from lit_causalmix.study.statistics.verdict import Verdict, verdict

__all__ = [
    "EQUIVALENT",
    "FRESH",
    "OVERALL",
    "Bootstrap",
    "Effects",
    "Estimate",
    "PairedSummary",
    "Ranking",
    "ScalingCurve",
    "Verdict",
    "aggregate",
    "detectable_effect",
    "equivalence_p",
    "paired_effects",
    "rank_methods",
    "scaling_curve",
    "slope_effects",
    "student_interval",
    "summarise",
    "table_means",
    "verdict",
]
