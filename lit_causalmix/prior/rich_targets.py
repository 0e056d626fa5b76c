"""Class labels of chosen frequencies: used where `PriorSettings.families` is set."""

from __future__ import annotations

import numpy as np

from lit_causalmix.prior.columns import Codes
from lit_causalmix.prior.mechanisms import Array, Mechanism, choose, noise, standardise
from lit_causalmix.prior.targets import target_noise


def class_shares(n_classes: int, imbalanced: bool, rng: np.random.Generator) -> Array:
    """Frequencies of the classes (K,); imbalanced, at least one is rare (down to about 1 in 60)."""
    if not imbalanced:
        return np.asarray(rng.dirichlet(np.full(n_classes, np.exp(rng.uniform(-0.5, 3)))))
    shares = rng.dirichlet(np.full(n_classes, 5.0))
    rare = int(rng.integers(1, n_classes))
    shares[:rare] *= np.exp(rng.uniform(np.log(0.02), np.log(0.4)))
    return rng.permutation(shares / shares.sum())


def draw_labels(
    x: Array | None,
    n_rows: int,
    shares: Array,
    rng: np.random.Generator,
    mechanisms: tuple[Mechanism, ...],
) -> Codes:
    """Draws class labels 0 … K − 1 from parents (N, P), or without any.

    A third of the tasks takes the largest of one score per class. The others cut one score into
    intervals in random order, one of a class or up to three: with one, frequencies are `shares`.

    Args:
        x: Parents, standardised; None for a target without.
        n_rows: N.
        shares: Frequency of each class (K,).
        rng: Source of all randomness.
        mechanisms: What the scores may be of the parents.
    """
    n_classes = len(shares)
    if x is None:
        return rng.choice(n_classes, size=n_rows, p=shares)
    mechanism = choose(mechanisms, rng)
    scale = target_noise(rng) * (2.0 if rng.random() < 0.15 else 1.0)
    if rng.random() < 1 / 3:
        scores = mechanism(x, n_classes, rng) + scale * rng.gumbel(size=(n_rows, n_classes))
        # About the frequencies wanted: a class's score exceeds the others' as often as its own
        # spread, one deviation and that of the noise, lets it.
        labels = (scores + np.hypot(1, scale) * np.log(shares + 1e-3)).argmax(axis=1)
    else:
        score = mechanism(x, 1, rng)[:, 0] + scale * noise((n_rows,), rng)
        most = 1 if rng.random() < 0.6 else 3
        pieces = np.repeat(np.arange(n_classes), rng.integers(1, most + 1, size=n_classes))
        pieces = rng.permutation(pieces)
        size = rng.uniform(0.3, 1, size=len(pieces))
        size *= shares[pieces] / np.bincount(pieces, weights=size)[pieces]
        levels = np.cumsum(size)[:-1].clip(max=1)  # the sum may round to just above 1
        labels = pieces[np.searchsorted(np.quantile(score, levels), score)]
    if rng.random() < 0.15:  # wrong labels
        wrong = rng.random(n_rows) < rng.uniform(0, 0.2)
        labels = np.where(wrong, rng.choice(n_classes, size=n_rows, p=shares), labels)
    return np.asarray(labels, dtype=np.int64)


def seen_label(labels: Codes, n_classes: int, rng: np.random.Generator) -> Array:
    """What the effects of a class label see: one number per class, standardised, (N,)."""
    return standardise(rng.normal(size=n_classes)[labels])
