"""Coded rows as points of one Euclidean space, for the measures that need distances or moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.scaling import moments
from lit_causalmix.tables.schema import Schema

MOST_DEVIATIONS = 1e3
"""Standardised values are clipped here: squares of larger ones say nothing more, and overflow."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Standardised numbers and one-hot categories, learned from the training rows [our choice].

    A numerical column becomes (value − mean) / deviation over its known training cells, a missing
    cell 0, which is the mean, and where any training cell is missing an indicator of gaps follows.
    Any other column becomes one 0/1 coordinate per category, and one more for a missing cell. Two
    different categories are then at squared distance 2, as two independent draws of a numerical
    column are on average. Numerical columns without two different training values are left out.
    The target is a column like any other.

    Attributes:
        schema: Columns of the rows.
        location: float64 (C + 1,), mean of each numerical column.
        scale: float64 (C + 1,), its deviation; 0 where the column is left out.
        gaps: bool (C + 1,), numerical columns with an indicator of gaps.
    """

    schema: Schema
    location: Floats
    scale: Floats
    gaps: NDArray[np.bool_]

    @classmethod
    def fit(cls, schema: Schema, train: Floats) -> Embedding:
        """Learns means, deviations and gaps from coded training rows, float64 (n, C + 1)."""
        location, scale = np.zeros(train.shape[1]), np.zeros(train.shape[1])
        gaps = np.zeros(train.shape[1], dtype=bool)
        for j, column in enumerate(schema.columns):
            known = train[~np.isnan(train[:, j]), j]
            if column.is_numerical:
                location[j], scale[j] = moments(known)
            gaps[j] = column.is_numerical and len(known) < len(train)
        return cls(schema, location, scale, gaps)

    def __call__(self, rows: Floats) -> Floats:
        """Embeds coded rows, float64 (n, C + 1), as float64 (n, E)."""
        return self._embed(rows, len(self.schema.columns))

    def features(self, rows: Floats) -> Floats:
        """The same without the target, float64 (n, E')."""
        return self._embed(rows, len(self.schema.features))

    def _embed(self, rows: Floats, n_columns: int) -> Floats:
        parts: list[Floats] = [np.empty((len(rows), 0))]
        for j, column in enumerate(self.schema.columns[:n_columns]):
            values, missing = rows[:, j], np.isnan(rows[:, j])
            if not column.is_numerical:
                size = len(column.categories)
                codes = np.where(missing, size, values).astype(np.int64)
                parts.append(np.eye(size + 1)[codes])
                continue
            if self.scale[j] > 0:
                moved = np.where(missing, 0.0, (values - self.location[j]) / self.scale[j])
                parts.append(np.clip(moved, -MOST_DEVIATIONS, MOST_DEVIATIONS)[:, None])
            if self.gaps[j]:
                parts.append(missing[:, None].astype(np.float64))
        return np.concatenate(parts, axis=1)
