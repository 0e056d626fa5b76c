"""Blocks of numbers for tests of independence on mixed columns.

A number, ordinal rank or boolean becomes one column: the normal scores of its mid-ranks. Fisher's z
on normal scores is the test of the Gaussian copula ("nonparanormal") PC algorithm (Harris and
Drton, JMLR 2013), which no monotone transformation of a column can change. A nominal column
becomes a block of indicators, one per category but for the most frequent; `independence` tests
whole blocks. No order is imposed on categories, and renaming them changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Column, ColumnKind

MAX_INDICATORS = 8
MIN_ROWS = 5
"""A category needs so many rows for an indicator of its own [our choice]."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as blocks of numbers, one block per column.

    Attributes:
        values: float64 (n, w), w at least the number of columns d.
        blocks: int64 (w,), the column that each belongs to; ascending, every column present.
        categorical: bool (d,), which columns are categories: blocks of indicators, or two values.
    """

    values: NDArray[np.float64]
    blocks: NDArray[np.int64]
    categorical: NDArray[np.bool_]

    @classmethod
    def numerical(cls, values: NDArray[np.float64]) -> Encoded:
        """Takes every column of values (n, d) as it is."""
        d = values.shape[1]
        return cls(values, np.arange(d, dtype=np.int64), np.zeros(d, dtype=bool))

    def take(self, rows: NDArray[np.int64]) -> Encoded:
        """Returns some of the rows."""
        return Encoded(self.values[rows], self.blocks, self.categorical)


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps one column, float64 (n,), to standard normal quantiles of its mid-ranks."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: NDArray[np.float64] = ndtri((rankdata(values) - 0.5) / len(values))
    return scores


def indicators(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns indicators (n, k) of the frequent categories of one column, without the first.

    The most frequent category is the reference. At most `MAX_INDICATORS` others with at least
    `MIN_ROWS` rows get an indicator; the rest count as the reference. There is at least one.
    """
    kept, counts = np.unique(codes, return_counts=True)
    # Ties are broken by first appearance: codes may be renamed without any effect.
    first = np.array([np.argmax(codes == k) for k in kept])
    order = np.lexsort((first, -counts))[1 : MAX_INDICATORS + 1]
    frequent = order[counts[order] >= MIN_ROWS]
    chosen = kept[frequent if len(frequent) else order[:1]]
    return np.asarray(codes[:, None] == chosen, dtype=np.float64)


def encode_for_discovery(values: NDArray[np.float64], columns: Sequence[Column]) -> Encoded:
    """Encodes complete coded columns for the tests of `independence`.

    Args:
        values: Coded and imputed, float64 (n, d), no column constant.
        columns: The d columns.
    """
    parts = [
        indicators(values[:, j])
        if c.kind is ColumnKind.CATEGORICAL
        else normal_scores(values[:, j])[:, None]
        for j, c in enumerate(columns)
    ]
    widths = [p.shape[1] for p in parts]
    return Encoded(
        np.concatenate(parts, axis=1),
        np.repeat(np.arange(len(parts), dtype=np.int64), widths),
        np.array([c.kind in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN) for c in columns]),
    )
