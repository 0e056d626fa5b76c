"""From scores to targets: class labels or numbers."""

from __future__ import annotations

import numpy as np

from lit_causalmix.prior.columns import Codes
from lit_causalmix.prior.mechanisms import MECHANISMS, Array, Mechanism, choose, noise, standardise


def target_noise(rng: np.random.Generator) -> float:
    """Noise beside a unit-variance signal: log-uniform from .01 to 1.5, and none in a tenth."""
    return 0.0 if rng.random() < 0.1 else float(np.exp(rng.uniform(np.log(0.01), np.log(1.5))))


def draw_classes(
    x: Array | None,
    n_rows: int,
    n_classes: int,
    rng: np.random.Generator,
    mechanisms: tuple[Mechanism, ...] = MECHANISMS,
) -> Codes:
    """Draws class labels 0 … n_classes − 1 from parents (N, P), or without any.

    Three ways, equally likely: one score cut into intervals of uneven size, in random order; the
    same with each class on several intervals; the largest of one score per class.
    """
    shares = rng.dirichlet(np.full(n_classes, np.exp(rng.uniform(-0.5, 3))))
    if x is None:
        return rng.choice(n_classes, size=n_rows, p=shares)
    way = int(rng.integers(3))
    mechanism, scale = choose(mechanisms, rng), target_noise(rng)
    if way == 2:
        scores = mechanism(x, n_classes, rng) + scale * rng.gumbel(size=(n_rows, n_classes))
        labels = (scores + np.log(shares + 0.02)).argmax(axis=1)
    else:
        score = mechanism(x, 1, rng)[:, 0] + scale * noise((n_rows,), rng)
        n_cuts = n_classes * (1 if way == 0 else int(rng.integers(1, 4)))
        if n_cuts > n_classes:
            shares = rng.dirichlet(np.full(n_cuts, 3.0))
        levels = np.cumsum(shares)[:-1].clip(max=1)  # the sum may round to just above 1
        interval = np.searchsorted(np.quantile(score, levels), score)
        labels = rng.permutation(n_cuts)[interval] % n_classes
    if rng.random() < 0.15:  # wrong labels
        wrong = rng.random(n_rows) < rng.uniform(0, 0.2)
        labels = np.where(wrong, rng.integers(n_classes, size=n_rows), labels)
    return np.asarray(labels, dtype=np.int64)


def draw_numbers(
    x: Array | None,
    n_rows: int,
    rng: np.random.Generator,
    mechanisms: tuple[Mechanism, ...] = MECHANISMS,
) -> Array:
    """Draws a standardised number per row from parents (N, P), or without any."""
    if x is None:
        return noise((n_rows,), rng)
    signal = choose(mechanisms, rng)(x, 1, rng)[:, 0]
    if rng.random() < 0.4:  # a sum of two kinds of effects
        signal = signal + rng.uniform(0.2, 1) * choose(mechanisms, rng)(x, 1, rng)[:, 0]
    return standardise(standardise(signal) + target_noise(rng) * noise((n_rows,), rng))


def show_target(y: Array, rng: np.random.Generator) -> Array:
    """Shows a number as it is, skewed, limited on one side, or rounded."""
    kind = rng.random()
    if kind < 0.2:
        y = np.exp(rng.uniform(0.3, 1.2) * y.clip(-4, 4))
    elif kind < 0.3:
        y = y * np.abs(y)
    elif kind < 0.38:
        limit = np.quantile(y, rng.uniform(0.02, 0.5))
        y = np.maximum(y, limit) * rng.choice([-1, 1])
    if rng.random() < 0.2:
        y = np.round(y * np.exp(rng.uniform(0.3, 3)))
    return y
