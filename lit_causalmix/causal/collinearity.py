"""Exact linear relations between columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.scaling import location_scale

RESIDUAL = 1e-8
"""Largest unexplained share of a column's variance that counts as an exact relation."""

SPAN = 1e-6
"""Smallest weight, in standard deviations, with which a column takes part in a relation."""


@dataclass(frozen=True)
class Dependency:
    """Column `column` equals `offset + sum(weights * sources)` in every row."""

    column: int
    sources: tuple[int, ...]
    weights: tuple[float, ...]
    offset: float


def linear_dependencies(values: NDArray[np.float64]) -> list[Dependency]:
    """Finds the columns that are exact linear functions of columns to their left.

    Columns are taken from left to right; each is projected on those kept so far. A relation that
    needs more columns than a quarter of the rows is no relation but a lack of rows, and is
    ignored [our choice].

    Args:
        values: Complete matrix, float64 (n, d), without constant columns.
    """
    n, d = values.shape
    location, scale = location_scale(values)
    standard = (values - location) / scale
    basis = np.empty((n, min(n, d)))
    kept: list[int] = []
    found: list[Dependency] = []
    for j in range(d):
        q = basis[:, : len(kept)]
        residual = standard[:, j] - q @ (q.T @ standard[:, j])
        residual -= q @ (q.T @ residual)  # a second pass restores orthogonality
        norm = float(np.linalg.norm(residual))
        if norm**2 > RESIDUAL * n:
            if len(kept) < basis.shape[1]:
                basis[:, len(kept)] = residual / norm
                kept.append(j)
            continue
        weights = np.linalg.lstsq(standard[:, kept], standard[:, j], rcond=None)[0]
        used = np.abs(weights) > SPAN
        if used.sum() > n / 4:
            continue
        sources = [kept[k] for k in np.flatnonzero(used)]
        raw = weights[used] * scale[j] / scale[sources]
        offset = float(location[j] - raw @ location[sources])
        found.append(Dependency(j, tuple(sources), tuple(raw.tolist()), offset))
    return found
