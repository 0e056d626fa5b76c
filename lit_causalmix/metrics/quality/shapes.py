"""Column shapes: does each column, taken alone, look as it does in the real rows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Schema


def ks_complement(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> float:
    """One minus the two-sample Kolmogorov–Smirnov statistic, 1 − max |F_real − F_synthetic|.

    `KSComplement` of SDMetrics. Missing values (NaN) are left out.

    Args:
        real: float64 (n,).
        synthetic: float64 (m,).

    Returns:
        1 for equal distributions, 0 for disjoint supports; NaN where a side has no value.

    Example:
        >>> a = np.arange(10.0)
        >>> ks_complement(a, a), ks_complement(a, a + 100.0)
        (1.0, 0.0)
    """
    a, b = np.sort(real[~np.isnan(real)]), np.sort(synthetic[~np.isnan(synthetic)])
    if not len(a) or not len(b):
        return float("nan")
    points = np.concatenate([a, b])
    cdf_a = np.searchsorted(a, points, side="right") / len(a)
    cdf_b = np.searchsorted(b, points, side="right") / len(b)
    return float(1.0 - np.abs(cdf_a - cdf_b).max())


def tv_complement(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> float:
    """One minus the total-variation distance of two sets of category codes, 1 − ½ Σ |p − q|.

    `TVComplement` of SDMetrics, with missing cells (NaN) left out.

    Args:
        real: Category indices, float64 (n,).
        synthetic: Category indices, float64 (m,).

    Returns:
        1 for equal frequencies, 0 for disjoint ones; NaN where a side has no value.

    Example:
        >>> tv_complement(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0]))
        0.75
    """
    a, b = real[~np.isnan(real)].astype(np.int64), synthetic[~np.isnan(synthetic)].astype(np.int64)
    if not len(a) or not len(b):
        return float("nan")
    size = int(max(a.max(), b.max())) + 1
    p, q = np.bincount(a, minlength=size) / len(a), np.bincount(b, minlength=size) / len(b)
    return float(1.0 - np.abs(p - q).sum() / 2)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def column_shapes(
    schema: Schema, real: NDArray[np.float64], synthetic: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores every column: `ks_complement` for numerical ones, `tv_complement` for all others.

    `Column Shapes` of the SDMetrics quality report.

    Args:
        schema: Columns of both matrices.
        real: Coded rows, float64 (n, C + 1).
        synthetic: Coded rows, float64 (m, C + 1).

    Returns:
        float64 (C + 1,), 0 to 1; NaN for a column without values on one side.
    """
    return np.array(
        [
            (ks_complement if column.is_numerical else tv_complement)(real[:, j], synthetic[:, j])
            for j, column in enumerate(schema.columns)
        ]
    )
