"""The values that a column can take: its range, and whether it holds whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class Support:
    """Ranges of the C + 1 columns of a coded matrix.

    Attributes:
        low: float64 (C + 1,), smallest training value of each column; NaN where all are missing.
        high: float64 (C + 1,), largest.
        whole: bool (C + 1,), whether a column holds whole numbers or categories.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    whole: NDArray[np.bool_]

    @classmethod
    def of(cls, train: Table) -> Support:
        """Learns the ranges of the training split."""
        whole = np.array([c.integer or not c.is_numerical for c in train.schema.columns])
        values = train.values
        return cls(np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0), whole)

    def restrict(
        self, values: NDArray[np.float64], columns: int | slice = slice(None)
    ) -> NDArray[np.float64]:
        """Rounds and clips rows, float64 (n, C + 1), or cells of a column, float64 (n,).

        Missing cells stay missing.
        """
        rounded = np.where(self.whole[columns], np.rint(values), values)
        return np.clip(rounded, self.low[columns], self.high[columns])
