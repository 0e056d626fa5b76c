"""Fréchet distances between real and synthetic rows in a learned space: FPCAD and FAED.

Both are of Herurkar et al., "Evaluating Generative Models for Tabular Data" (arXiv 2504.20900):
rows are projected by principal components (FPCAD) or encoded by an autoencoder (FAED), and two
Gaussians with the moments of real and synthetic rows are compared. The distance is published.
What is not told in the text we have is [reconstructed]: the space that goes in (`Embedding`), the
number of components, and the autoencoder.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

EXPLAINED = 0.95
"""Share of the variance of the training rows that FPCAD's components explain [reconstructed]."""

HIDDEN, LATENT = 32, 8
"""Units of the autoencoder's hidden layers and of its bottleneck [reconstructed]."""

EPOCHS = 200

Floats = NDArray[np.float64]


def frechet_distance(a: Floats, b: Floats) -> float:
    """Squared Fréchet (2-Wasserstein) distance of the Gaussians fitted to two sets of points.

    ‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) of Dowson and Landau (1982), as in the Fréchet
    inception distance. Few points inflate it: their mean alone adds Tr Σ / n on average.

    Args:
        a: float64 (n, E), n >= 2.
        b: float64 (m, E), m >= 2.

    Returns:
        0 for equal moments; never negative.

    Example:
        >>> a = np.random.default_rng(0).normal(size=(200, 3))
        >>> round(frechet_distance(a, a + 1.0), 6)  # the means differ by 1 in each of 3 dimensions
        3.0
    """
    gap = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (a, b))
    # Tr (AB)^½ = Tr (A^½ B A^½)^½, whose matrix is symmetric: no complex square root is needed.
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    return max(0.0, float(gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def fpcad(train: Floats, real: Floats, synthetic: Floats) -> float:
    """Fréchet PCA distance: `frechet_distance` over principal components of the training rows.

    Args:
        train: Points that the components are learned from, float64 (n, E), n >= 2.
        real: float64 (r, E), r >= 2; the training rows themselves, or others.
        synthetic: float64 (m, E), m >= 2.
    """
    centre = train.mean(axis=0)
    _, sizes, axes = np.linalg.svd(train - centre, full_matrices=False)
    explained = np.cumsum(sizes**2)
    n_axes = int(np.searchsorted(explained, EXPLAINED * explained[-1])) + 1
    kept = axes[:n_axes].T
    return frechet_distance((real - centre) @ kept, (synthetic - centre) @ kept)


def faed(train: Floats, real: Floats, synthetic: Floats, *, seed: int) -> float:
    """Fréchet autoencoder distance: `frechet_distance` over the codes of an autoencoder.

    The autoencoder (E, 32, 8, 32, E; tanh; scikit-learn's `MLPRegressor` with Adam) learns to
    reproduce the training rows [reconstructed].

    Args:
        train: Points that the autoencoder is trained on, float64 (n, E), n >= 2.
        real: float64 (r, E), r >= 2; the training rows themselves, or others.
        synthetic: float64 (m, E), m >= 2.
        seed: Of its weights and of the order of the rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(HIDDEN, LATENT, HIDDEN),
        activation="tanh",
        learning_rate_init=3e-3,
        max_iter=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed budget is what is wanted
        model.fit(train, train if train.shape[1] > 1 else train[:, 0])

    def codes(points: Floats) -> Floats:
        for weight, bias in zip(model.coefs_[:2], model.intercepts_[:2], strict=True):
            points = np.tanh(points @ weight + bias)
        return points

    return frechet_distance(codes(real), codes(synthetic))
