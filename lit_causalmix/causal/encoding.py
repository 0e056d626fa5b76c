"""One number per cell for correlation-based tests on mixed columns.

Every column becomes ordered codes, and these the normal scores of their mid-ranks: Fisher's z on
normal scores is the test of the Gaussian copula ("nonparanormal") PC algorithm (Harris and Drton,
JMLR 2013), which no monotone transformation of a column can change. The order of numbers, ordinal
ranks and booleans is their own. The order of nominal categories is [our choice]: the first axis
of a correspondence analysis of the column against all others, that is, the scores that correlate
most with the rest of the table. A target mean would favour edges at the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Column, ColumnKind


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps one column, float64 (n,), to standard normal quantiles of its mid-ranks."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: NDArray[np.float64] = ndtri((rankdata(values) - 0.5) / len(values))
    return scores


def _indicators(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred indicator columns (n, k), each category divided by the root of its frequency."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    indicator = np.zeros((len(codes), len(counts)))
    indicator[np.arange(len(codes)), inverse] = 1.0 / np.sqrt(counts[inverse])
    indicator -= indicator.mean(axis=0)
    return indicator


def _nominal_order(codes: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    left = np.linalg.svd(_indicators(codes).T @ rest, full_matrices=False)[0][:, 0]
    left *= np.sign(left[np.abs(left).argmax()])
    return (left / np.sqrt(counts))[inverse]


def encode_for_discovery(
    values: NDArray[np.float64], columns: Sequence[Column]
) -> NDArray[np.float64]:
    """Encodes complete coded columns for Fisher's z.

    Args:
        values: Coded and imputed, float64 (n, d), no column constant.
        columns: The d columns.

    Returns:
        float64 (n, d), standard normal scores.
    """
    n, nominal = len(values), [c.kind is ColumnKind.CATEGORICAL for c in columns]
    blocks = []
    for j, is_nominal in enumerate(nominal):
        blocks.append(
            _indicators(values[:, j])
            if is_nominal
            else normal_scores(values[:, j])[:, None] / np.sqrt(n)
        )
    offsets = np.cumsum([0, *(b.shape[1] for b in blocks)])
    table = np.concatenate(blocks, axis=1)
    encoded = np.empty(values.shape)
    for j, is_nominal in enumerate(nominal):
        ordered = values[:, j]
        if is_nominal and len(columns) > 1:
            rest = np.delete(table, np.s_[offsets[j] : offsets[j + 1]], axis=1)
            ordered = _nominal_order(values[:, j], rest)
        encoded[:, j] = normal_scores(ordered)
    return encoded
