"""Synthetic rows beside the rows their generator saw and rows it did not, each measured once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.metrics.functional import Score
from lit_causalmix.metrics.quality.embedding import Embedding
from lit_causalmix.metrics.quality.records import ClosestRecords, closest_records
from lit_causalmix.metrics.quality.shapes import column_shapes, mean_of_known
from lit_causalmix.metrics.quality.structure import chosen_columns, skills
from lit_causalmix.metrics.quality.trends import PairTrends, pair_trends
from lit_causalmix.metrics.quality.two_sample import two_sample_auc
from lit_causalmix.metrics.quality.utility import train_on_one_test_on_other
from lit_causalmix.seeding import derived_seed, rng
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.table import Table

MOST_ROWS = 2000
"""Rows of each kind that are compared at most: beyond them only the time grows."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Likeness:
    """How much some rows look like real ones; a measure is taken when it is first asked for.

    Attributes:
        schema: Columns of the rows.
        real: The rows to look like, float64 (n, C + 1).
        rows: The rows that are judged, float64 (m, C + 1).
        seed: Source of all randomness.
    """

    schema: Schema
    real: Floats
    rows: Floats
    seed: int

    @cached_property
    def shapes(self) -> Floats:
        """`column_shapes`, float64 (C + 1,)."""
        return column_shapes(self.schema, self.real, self.rows)

    @property
    def shape_score(self) -> float:
        """Mean of `shapes` over the columns that have one; NaN without any."""
        return mean_of_known(self.shapes)

    @cached_property
    def trends(self) -> PairTrends:
        """`pair_trends`."""
        return pair_trends(self.schema, self.real, self.rows)

    @cached_property
    def auc(self) -> float:
        """`two_sample_auc`."""
        return two_sample_auc(self.schema, self.real, self.rows, seed=self._trees)

    @cached_property
    def utility(self) -> Score:
        """`train_on_one_test_on_other`, trained on the rows, tested on the real ones."""
        return train_on_one_test_on_other(self.schema, self.rows, self.real, seed=self._trees)

    @cached_property
    def columns(self) -> list[int]:
        """`chosen_columns` of the real rows: those whose `skills` are taken."""
        return chosen_columns(self.schema, self.real, seed=self.seed)

    @cached_property
    def skills(self) -> Floats:
        """`skills` of `columns`, trained on the rows, tested on the real ones, float64 (k,)."""
        return skills(self.schema, self.rows, self.real, self.columns, seed=self._trees)

    @property
    def skill(self) -> float:
        """Mean of `skills` over the columns that have one; NaN without any."""
        return mean_of_known(self.skills)

    @property
    def _trees(self) -> int:
        return derived_seed(self.seed, "quality", "trees")


@dataclass(frozen=True, eq=False)
class Measurement:
    """Coded rows of three kinds, float64 (·, C + 1) each, and what is measured of them.

    Attributes:
        schema: Columns of the rows.
        train: The rows that the generator was fitted on.
        held_out: Real rows that it did not see; may be empty.
        synthetic: Its rows.
        seed: Source of all randomness.
        seen: All rows that the generator was fitted on, also where `train` is some of them.
    """

    schema: Schema
    train: Floats
    held_out: Floats
    synthetic: Floats
    seed: int
    seen: Floats

    @classmethod
    def of(cls, train: Table, held_out: Table, synthetic: Floats, seed: int) -> Measurement:
        """Takes rows to measure, at most `MOST_ROWS` of each kind."""
        return cls(
            train.schema,
            _at_most(train.values, seed, "train"),
            _at_most(held_out.values, seed, "held-out"),
            _at_most(synthetic, seed, "synthetic"),
            seed,
            train.values,
        )

    @cached_property
    def to_train(self) -> Likeness:
        """The synthetic rows beside the training rows."""
        return Likeness(self.schema, self.train, self.synthetic, self.seed)

    @cached_property
    def to_held_out(self) -> Likeness:
        """The synthetic rows beside the held-out rows."""
        return Likeness(self.schema, self.held_out, self.synthetic, self.seed)

    @cached_property
    def train_to_held_out(self) -> Likeness:
        """The training rows beside the held-out rows: what rows of the true distribution reach."""
        return Likeness(self.schema, self.held_out, self.train, self.seed)

    @cached_property
    def records(self) -> ClosestRecords:
        """`closest_records`; there has to be a held-out row."""
        chooser = rng(self.seed, "quality", "records")
        return closest_records(
            self.schema,
            self.train,
            self.held_out,
            self.synthetic,
            rng=chooser,
            seen_rows=self.seen,
        )

    @cached_property
    def embedding(self) -> Embedding:
        """The space of the three below, learned from the training rows."""
        return Embedding.fit(self.schema, self.train)

    @cached_property
    def train_points(self) -> Floats:
        """The training rows as points, float64 (n, E)."""
        return self.embedding(self.train)

    @cached_property
    def held_out_points(self) -> Floats:
        """The held-out rows as points, float64 (m, E)."""
        return self.embedding(self.held_out)

    @cached_property
    def points(self) -> Floats:
        """The synthetic rows as points, float64 (k, E)."""
        return self.embedding(self.synthetic)


def _at_most(rows: Floats, seed: int, name: str) -> Floats:
    """Draws `MOST_ROWS` of the rows if there are more; the name keeps draws of parts apart."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[rng(seed, "quality", name).choice(len(rows), size=MOST_ROWS, replace=False)]
