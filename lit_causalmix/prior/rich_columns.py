"""Columns as in real tables: correlated blocks, clusters, heavy tails, many categories, gaps.

Used where `PriorSettings.families` is set. Shape legend: N = rows, F = columns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lit_causalmix.prior.columns import Codes, cut_codes
from lit_causalmix.prior.graph import Nodes
from lit_causalmix.prior.mechanisms import MECHANISMS, Array, choose, noise, standardise

CodeCutter = Callable[[Array, np.random.Generator], Codes]


def code_cutter(most: int) -> CodeCutter:
    """Returns a function that cuts values (N,) into 2 to `most` categories.

    Half of the columns have at most 12 (`cut_codes`); the others' number is log-uniform. Their
    levels follow the value or not, and are alike in frequency or a few of them common.
    """

    def cut(value: Array, rng: np.random.Generator) -> Codes:
        if most <= 12 or rng.random() < 0.5:
            return cut_codes(value, rng)
        k = int(np.exp(rng.uniform(np.log(2), np.log(most + 1))))
        shares = 1 / np.arange(1, k + 1) ** rng.uniform(0, 1.5)
        shares = rng.permutation(shares / shares.sum())
        if rng.random() < 0.3:  # a label without a latent order
            return rng.choice(k, size=len(value), p=shares)
        levels = np.cumsum(shares)[:-1].clip(max=1)
        codes = np.searchsorted(np.quantile(value, levels), value)
        return rng.permutation(k)[codes] if rng.random() < 0.8 else codes

    return cut


def blocks(n_rows: int, n_columns: int, rng: np.random.Generator) -> Array:
    """Correlated columns (N, F): noisy functions of a few hidden factors."""
    n_factors = int(rng.integers(1, max(2, n_columns // 2) + 1))
    factors = noise((n_rows, n_factors), rng)
    own = np.exp(rng.uniform(np.log(0.05), np.log(2), size=n_columns))
    used = factors[:, rng.permutation(n_factors)[: int(rng.integers(1, n_factors + 1))]]
    if rng.random() < 0.5:  # each column follows one factor
        signal = factors[:, rng.integers(n_factors, size=n_columns)]
    else:
        signal = choose(MECHANISMS, rng)(used, n_columns, rng)
    return standardise(signal + own * noise((n_rows, n_columns), rng))


def clusters(n_rows: int, n_columns: int, rng: np.random.Generator) -> Array:
    """Rows around a few centres, each with a shape of its own: (N, F)."""
    k = int(rng.integers(2, 11))
    member = rng.choice(k, size=n_rows, p=rng.dirichlet(np.full(k, 2.0)))
    spread = np.exp(rng.uniform(-1.5, 0.5, size=(k, n_columns)))
    value: Array = rng.normal(size=(k, n_columns))[member]
    return standardise(value + spread[member] * rng.normal(size=(n_rows, n_columns)))


def independent(n_rows: int, n_columns: int, rng: np.random.Generator) -> Array:
    """Columns (N, F) that have nothing to do with each other, each with its own distribution."""
    return np.stack([noise((n_rows,), rng) for _ in range(n_columns)], axis=1)


LAYOUTS: tuple[Callable[[int, int, np.random.Generator], Array], ...] = (
    blocks,
    blocks,
    clusters,
    independent,
)


def as_nodes(values: Array, code_share: float, cut: CodeCutter, rng: np.random.Generator) -> Nodes:
    """Makes a share of columns (N, F) categorical."""
    codes = [
        cut(values[:, j], rng) if rng.random() < code_share else None
        for j in range(values.shape[1])
    ]
    return Nodes(values, codes)


def show_rich_number(value: Array, rng: np.random.Generator) -> Array:
    """Shows a latent value (N,) as it is, skewed, heavy-tailed, limited, piled up or rounded."""
    kind = rng.random()
    if kind < 0.15:
        value = np.exp(rng.uniform(0.3, 2) * value.clip(-4, 4))
    elif kind < 0.25:
        value = np.sign(value) * np.abs(value) ** rng.uniform(1.2, 4)
    elif kind < 0.32:
        value = np.maximum(value, np.quantile(value, rng.uniform(0.05, 0.9)))
    elif kind < 0.38:  # a few cells far away
        far = rng.random(len(value)) < rng.uniform(0.002, 0.03)
        value = np.where(far, value * rng.uniform(5, 50), value)
    elif kind < 0.46:  # many cells at one value
        value = np.where(rng.random(len(value)) < rng.uniform(0.1, 0.8), value.min(), value)
    if rng.random() < 0.3:
        low, high = np.quantile(value, [0.02, 0.98])
        levels = np.exp(rng.uniform(np.log(2), np.log(150)))
        value = np.round((value - low) / (float(high - low) or 1.0) * levels)
    return np.asarray(value * rng.choice([-1, 1]))


def remove_by_value(x: Array, target: Array, rng: np.random.Generator) -> Array:
    """Makes gaps (NaN) in (N, F) that tell something: they depend on a value or on the target.

    What hides a group of columns together is their own value, another column's or the target's.
    """
    n, f = x.shape
    gaps = np.zeros((n, f), dtype=bool)
    for _ in range(int(rng.integers(1, 4))):
        hidden = rng.permutation(f)[: int(rng.integers(1, max(2, f // 3) + 1))]
        way = rng.random()
        cause = x[:, hidden[0]] if way < 0.4 else x[:, rng.integers(f)] if way < 0.75 else target
        score = standardise(cause) + rng.uniform(0.1, 1.5) * rng.normal(size=n)
        cut = np.quantile(score, 1 - rng.uniform(0.03, 0.5))
        gaps[:, hidden] |= (score > cut)[:, None] & (rng.random((n, 1)) < 0.95)
    return np.where(gaps, np.nan, x)
