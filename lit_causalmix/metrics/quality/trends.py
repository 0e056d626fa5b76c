"""Pair trends: do two columns depend on each other as they do in the real rows?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.metrics.quality.shapes import mean_of_known
from lit_causalmix.tables.schema import Column, Schema

BINS = 10
"""Bins of a numerical column beside a categorical one, as in SDMetrics."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairTrends:
    """Pairs of columns in real and synthetic rows; all matrices are symmetric.

    Attributes:
        similarity: float64 (d, d), 1 where the trend is the same, NaN on the diagonal and where a
            pair has no trend to compare (a constant column, no common rows).
        real: float64 (d, d), strength of association in the real rows, see `associations`.
        synthetic: The same in the synthetic rows.
    """

    similarity: Floats
    real: Floats
    synthetic: Floats

    @property
    def score(self) -> float:
        """Mean similarity over all pairs that have one; NaN without any."""
        return mean_of_known(self.similarity[np.triu_indices(len(self.similarity), k=1)])


def correlation_similarity(real: Floats, synthetic: Floats) -> float:
    """One minus half the difference of two Pearson correlations, 1 − |r_real − r_synthetic| / 2.

    `CorrelationSimilarity` of SDMetrics; rows with a missing cell are left out.

    Args:
        real: float64 (n, 2).
        synthetic: float64 (m, 2).

    Returns:
        0 to 1; NaN where a correlation is undefined.
    """
    return float(1.0 - abs(_correlation(real) - _correlation(synthetic)) / 2)


def contingency_similarity(real: Ints, synthetic: Ints) -> float:
    """One minus the total-variation distance of two contingency tables.

    `ContingencySimilarity` of SDMetrics; a missing cell counts as one more category.

    Args:
        real: Codes >= 0, int64 (n, 2).
        synthetic: Codes >= 0, int64 (m, 2).
    """
    size = int(max(real.max(), synthetic.max())) + 1
    p, q = (
        np.bincount(codes[:, 0] * size + codes[:, 1], minlength=size * size) / len(codes)
        for codes in (real, synthetic)
    )
    return float(1.0 - np.abs(p - q).sum() / 2)


def pair_trends(schema: Schema, real: Floats, synthetic: Floats) -> PairTrends:
    """Compares every pair of columns.

    `Column Pair Trends` of the SDMetrics quality report: `correlation_similarity` for two
    numerical columns, else `contingency_similarity`, for which numerical columns are cut into ten
    bins of equal width over the range of the real rows. A categorical column that is constant in
    the real rows has no trends [our choice].

    Args:
        schema: Columns of both matrices.
        real: Coded rows, float64 (n, C + 1).
        synthetic: Coded rows, float64 (m, C + 1).
    """
    columns = schema.columns
    codes_real, codes_synthetic = _codes(columns, real, real), _codes(columns, synthetic, real)
    varies = [len(np.unique(codes)) > 1 for codes in codes_real.T]
    similarity = np.full((len(columns),) * 2, np.nan)
    for i, j in combinations(range(len(columns)), 2):
        pair = [i, j]
        if columns[i].is_numerical and columns[j].is_numerical:
            value = correlation_similarity(real[:, pair], synthetic[:, pair])
        elif varies[i] and varies[j]:
            value = contingency_similarity(codes_real[:, pair], codes_synthetic[:, pair])
        else:
            continue
        similarity[i, j] = similarity[j, i] = value
    return PairTrends(
        similarity, associations(schema, real), associations(schema, synthetic, like=real)
    )


def associations(schema: Schema, rows: Floats, *, like: Floats | None = None) -> Floats:
    """Strength of association of each pair of columns, float64 (d, d), 0 to 1.

    The magnitude of Pearson's correlation for two numerical columns, else Cramér's V with the
    bias correction of Bergsma (2013), numerical columns in ten bins as above. NaN where a column
    does not vary; 1 on the diagonal of all others.

    Args:
        schema: Columns of the rows.
        rows: Coded rows, float64 (n, C + 1).
        like: Rows over whose range numerical columns are binned; by default `rows`.
    """
    columns = schema.columns
    codes = _codes(columns, rows, rows if like is None else like)
    result = np.full((len(columns),) * 2, np.nan)
    for j in range(len(columns)):
        if len(np.unique(codes[:, j])) > 1:
            result[j, j] = 1.0
    for i, j in combinations(range(len(columns)), 2):
        if columns[i].is_numerical and columns[j].is_numerical:
            value = abs(_correlation(rows[:, [i, j]]))
        else:
            value = _cramers_v(codes[:, i], codes[:, j])
        result[i, j] = result[j, i] = value
    return result


def _codes(columns: tuple[Column, ...], rows: Floats, like: Floats) -> Ints:
    return np.column_stack(
        [
            _bins(rows[:, j], like[:, j])
            if column.is_numerical
            else np.where(np.isnan(rows[:, j]), len(column.categories), rows[:, j]).astype(np.int64)
            for j, column in enumerate(columns)
        ]
    )


def _bins(values: Floats, like: Floats) -> Ints:
    known = like[~np.isnan(like)]
    missing = np.isnan(values)
    if not len(known):
        return np.where(missing, BINS, 0).astype(np.int64)
    inner = np.linspace(known.min(), known.max(), BINS + 1)[1:-1]
    return np.where(missing, BINS, np.searchsorted(inner, values, side="right")).astype(np.int64)


def _correlation(pair: Floats) -> float:
    known = pair[~np.isnan(pair).any(axis=1)]
    if len(known) < 2 or (np.ptp(known, axis=0) == 0).any():
        return float("nan")
    centred = known - known.mean(axis=0)
    # Scaled first, so that large values do not overflow when squared.
    x, y = (centred / np.abs(centred).max(axis=0)).T
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _cramers_v(a: Ints, b: Ints) -> float:
    a, b = np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]
    n, r, c = len(a), int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1
    if min(r, c) < 2:
        return float("nan")
    table = np.bincount(a * c + b, minlength=r * c).reshape(r, c)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    phi2 = float(((table - expected) ** 2 / expected).sum()) / n
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, phi2 / least))) if least > 0 else float("nan")
