"""All measures of a set of synthetic rows at once, each beside what real rows reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.metrics.functional import Score
from lit_causalmix.metrics.quality.records import ClosestRecords, closest_records
from lit_causalmix.metrics.quality.shapes import column_shapes
from lit_causalmix.metrics.quality.trends import PairTrends, pair_trends
from lit_causalmix.metrics.quality.two_sample import two_sample_auc
from lit_causalmix.metrics.quality.utility import train_on_one_test_on_other
from lit_causalmix.seeding import derived_seed, rng
from lit_causalmix.tables.table import Table

MOST_ROWS = 2000
"""Rows of each kind that are compared at most: beyond them only the time grows."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QualityReport:
    """Synthetic rows against held-out real rows, and training rows against the same.

    Few held-out rows make every measure noisy, so each stands beside its value for training rows:
    that is what rows from the true distribution reach.

    Attributes:
        n_train: Training rows compared.
        n_held_out: Held-out rows compared.
        n_synthetic: Synthetic rows compared; as many as training rows where there were enough.
        shapes: float64 (C + 1,), `column_shapes` of the synthetic rows.
        train_shapes: float64 (C + 1,), the same of the training rows.
        trends: `pair_trends` of the synthetic rows.
        train_trends: The same of the training rows.
        auc: `two_sample_auc` of the synthetic rows.
        train_auc: The same of the training rows.
        records: Distances to the closest record.
        utility: Trained on the synthetic rows, tested on the held-out ones.
        train_utility: Trained on the training rows, tested on the held-out ones.
    """

    n_train: int
    n_held_out: int
    n_synthetic: int
    shapes: Floats
    train_shapes: Floats
    trends: PairTrends
    train_trends: PairTrends
    auc: float
    train_auc: float
    records: ClosestRecords
    utility: Score
    train_utility: Score

    @property
    def shape_score(self) -> float:
        """Mean of `shapes` over the columns that have one."""
        return mean_of_known(self.shapes)

    @property
    def train_shape_score(self) -> float:
        """Mean of `train_shapes` over the columns that have one."""
        return mean_of_known(self.train_shapes)


def assess(
    train: Table,
    held_out: Table,
    synthetic: Floats,
    *,
    seed: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> QualityReport:
    """Measures synthetic rows.

    Args:
        train: The rows that the generator was fitted on.
        held_out: Rows of the same table that it did not see, such as validation rows.
        synthetic: Coded rows, float64 (k, C + 1).
        seed: Source of all randomness.
        on_step: Called with a word on what comes next, for a progress bar.

    Raises:
        TableError: If one of the three has fewer than two rows.
    """
    for name, rows in (
        ("training", train.values),
        ("held-out", held_out.values),
        ("synthetic", synthetic),
    ):
        if len(rows) < 2:
            raise TableError(f"to compare rows takes 2 of each kind, got {len(rows)} {name} row(s)")
    schema = train.schema
    seen, real = at_most(train.values, seed, "train"), at_most(held_out.values, seed, "held-out")
    made = at_most(synthetic, seed, "synthetic")
    trees = derived_seed(seed, "quality", "trees")
    on_step("columns and pairs")
    shapes, train_shapes = (column_shapes(schema, real, rows) for rows in (made, seen))
    trends, train_trends = (pair_trends(schema, real, rows) for rows in (made, seen))
    on_step("two-sample test")
    auc, train_auc = (two_sample_auc(schema, real, rows, seed=trees) for rows in (made, seen))
    on_step("closest records")
    records = closest_records(schema, seen, real, made, rng=rng(seed, "quality", "records"))
    on_step("use to a learner")
    utility, train_utility = (
        train_on_one_test_on_other(schema, rows, real, seed=trees) for rows in (made, seen)
    )
    return QualityReport(
        n_train=len(seen),
        n_held_out=len(real),
        n_synthetic=len(made),
        shapes=shapes,
        train_shapes=train_shapes,
        trends=trends,
        train_trends=train_trends,
        auc=auc,
        train_auc=train_auc,
        records=records,
        utility=utility,
        train_utility=train_utility,
    )


def at_most(rows: Floats, seed: int, name: str) -> Floats:
    """Draws `MOST_ROWS` of the rows if there are more; the name keeps draws of parts apart."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[rng(seed, "quality", name).choice(len(rows), size=MOST_ROWS, replace=False)]


def mean_of_known(values: Floats) -> float:
    """Mean of the values that are not NaN; NaN without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
