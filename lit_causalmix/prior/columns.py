"""From latent values to what a table shows: categories, ties, limits, gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.prior.mechanisms import Array

Codes = np.ndarray[tuple[int], np.dtype[np.int64]]


def cut_codes(value: Array, rng: np.random.Generator) -> Codes:
    """Cuts values (N,) into 2 to 12 categories of uneven size, at random quantiles.

    Two thirds are nominal (the categories in random order), the others ordinal.
    """
    k = 2 + min(int(rng.geometric(0.35)) - 1, 10)
    cuts = np.sort(rng.random(k - 1)) if rng.random() < 0.5 else np.arange(1, k) / k
    codes = np.searchsorted(np.quantile(value, cuts), value)
    return rng.permutation(k)[codes] if rng.random() < 2 / 3 else codes


def show_number(value: Array, rng: np.random.Generator) -> Array:
    """Shows a latent value (N,) as it is, skewed, limited on one side, or rounded."""
    kind = rng.random()
    if kind < 0.15:
        value = np.exp(value.clip(-4, 4))
    elif kind < 0.25:
        value = np.maximum(value, np.quantile(value, rng.uniform(0.05, 0.8)))
    if rng.random() < 0.3:
        levels = int(np.exp(rng.uniform(np.log(2), np.log(100))))
        span = float(np.ptp(value)) or 1.0
        value = np.round((value - value.min()) / span * levels)
    return value


def remove_cells(x: Array, rng: np.random.Generator) -> Array:
    """Makes gaps (NaN) in a random subset of columns (N, F), at random or by a column's value."""
    n, f = x.shape
    affected = rng.random(f) < rng.uniform(0.05, 1.0)
    rates = affected * rng.uniform(0.01, 0.4, size=f)
    gaps = rng.random((n, f)) < rates
    if rng.random() < 0.3:  # large values of a column hide one column's cells
        cause, effect = rng.integers(f, size=2)
        threshold = np.quantile(x[:, cause], rng.uniform(0.6, 0.95))
        gaps[:, effect] |= (x[:, cause] > threshold) & (rng.random(n) < 0.8)
    return np.where(gaps, np.nan, x)


def standardise_by(x: Array, n_context: int, numerical: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Standardises the numerical columns of (N, F) by the first `n_context` rows, as an encoder."""
    known = ~np.isnan(x[:n_context])
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x[:n_context], 0).sum(axis=0) / count
    variance = np.where(known, np.square(x[:n_context] - mean), 0).sum(axis=0) / count
    scale = np.sqrt(variance)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return np.where(numerical, (x - mean) / scale, x).astype(np.float32)
