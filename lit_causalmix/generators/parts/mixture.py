"""Features as a Bayesian Gaussian mixture with random hyper-parameters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.tables.scaling import location_scale
from lit_causalmix.tables.schema import Column

MAX_COMPONENTS = 20
"""Most components of a mixture [our choice]."""

MAX_FULL_COLUMNS = 100
"""Wider tables get diagonal covariances, as full ones would take minutes [our choice]."""

_LARGEST = 1 - 2.0**-53
"""The float64 before 1."""


@dataclass(frozen=True, eq=False)
class LatentColumns:
    """Maps features to real numbers that a Gaussian mixture can hold, and back.

    A numerical column is standardised. A column with categories becomes one normal variable: each
    category owns an interval of the unit interval as long as its share, a cell is a uniform number
    of its interval, and Φ⁻¹ of that is the latent value. So any mixture that fits keeps the
    shares, rare ones too, and a column costs one dimension however many categories it has [our
    choice; the intervals are those of the Synthetic Data Vault, Patki, Wedge and Veeramachaneni,
    DSAA 2016].

    Attributes:
        location: float64 (C,), training mean; 0 for categories.
        scale: float64 (C,), training standard deviation; 1 for categories.
        ends: By column with categories, float64 (categories,), where each interval ends.
    """

    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    ends: dict[int, NDArray[np.float64]]

    @classmethod
    def of(cls, features: NDArray[np.float64], columns: Sequence[Column]) -> LatentColumns:
        """Learns the maps from complete coded features, float64 (m, C)."""
        location, scale = location_scale(features)
        ends = {}
        for j, column in enumerate(columns):
            if not column.is_numerical:
                codes = features[:, j].astype(np.intp)
                counts = np.bincount(codes, minlength=len(column.categories))
                location[j], scale[j] = 0.0, 1.0
                ends[j] = counts.cumsum() / len(codes)
        return cls(location, scale, ends)

    def standardised(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardises the numbers of coded features, float64 (m, C); codes stay."""
        return (features - self.location) / self.scale

    def encode(
        self, features: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Returns the latent values of complete coded features, float64 (m, C)."""
        from scipy.special import ndtri

        latent = self.standardised(features)
        for j, ends in self.ends.items():
            codes = features[:, j].astype(np.intp)
            starts = np.concatenate([[0.0], ends[:-1]])
            low, high = starts[codes], ends[codes]
            # 1 - random lies in (0, 1], so that no cell falls on -∞.
            unit = high - (high - low) * rng.random(len(codes))
            latent[:, j] = ndtri(np.minimum(unit, _LARGEST))
        return latent

    def decode(self, latent: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns coded features, float64 (n, C); numbers are neither rounded nor clipped."""
        from scipy.special import ndtr

        features = self.location + self.scale * latent
        for j, ends in self.ends.items():
            unit = np.minimum(ndtr(latent[:, j]), _LARGEST)
            features[:, j] = np.searchsorted(ends[:-1], unit, side="right")
        return features


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of K Gaussians.

    scikit-learn's own `sample` gives the same rows at every call where the seed is a number.

    Attributes:
        weights: float64 (K,), sum to 1.
        means: float64 (K, d).
        factors: float64 (K, d, d), lower triangular, times its transpose is the covariance; or
            (K, d), the standard deviations of uncorrelated variables.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]

    @classmethod
    def of(cls, fitted: Any) -> GaussianMixture:
        """Takes over a fitted scikit-learn mixture of any covariance type."""
        k, d = fitted.means_.shape
        covariances: NDArray[np.float64] = fitted.covariances_
        match fitted.covariance_type:
            case "full":
                factors = _cholesky(covariances)
            case "tied":
                factors = np.broadcast_to(_cholesky(covariances), (k, d, d))
            case "diag":
                factors = np.sqrt(covariances)
            case _:  # spherical
                factors = np.broadcast_to(np.sqrt(covariances)[:, None], (k, d))
        return cls(fitted.weights_ / fitted.weights_.sum(), fitted.means_, factors)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows, float64 (n, d)."""
        component = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        for k in np.unique(component).tolist():
            own, factor = component == k, self.factors[k]
            noise[own] = noise[own] @ factor.T if factor.ndim == 2 else noise[own] * factor
        return self.means[component] + noise


def _cholesky(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.cholesky(covariances).astype(np.float64)


def fit_mixture(
    latent: NDArray[np.float64], rng: np.random.Generator, *, seed: int
) -> GaussianMixture:
    """Fits a Bayesian Gaussian mixture whose hyper-parameters are drawn at random.

    That they are random is published, their ranges are our choice: 2 to `MAX_COMPONENTS`
    components (at most one per five rows), any covariance type, either prior on the weights with a
    concentration of 1e-3 to 1e2, 1e-6 to 1e-2 added to each variance (ten times as much, again and
    again, where rows that collapse onto each other leave a covariance singular).

    Args:
        latent: float64 (m, d).
        rng: Source of the hyper-parameters.
        seed: Of scikit-learn's initialisation.

    Raises:
        GeneratorError: If no addition up to 1, the variance of a column, makes it regular.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture

    m, d = latent.shape
    types = ("full", "tied", "diag", "spherical") if d <= MAX_FULL_COLUMNS else ("diag",)
    priors = ("dirichlet_process", "dirichlet_distribution")
    most = max(1, min(MAX_COMPONENTS, m // 5))
    mixture = BayesianGaussianMixture(
        n_components=int(rng.integers(min(2, most), most + 1)),
        covariance_type=str(rng.choice(types)),
        weight_concentration_prior_type=str(rng.choice(priors)),
        weight_concentration_prior=float(10 ** rng.uniform(-3, 2)),
        reg_covar=float(10 ** rng.uniform(-6, -2)),
        max_iter=200,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # A mixture that has not converged is a draw like any other, and where few rows are
        # distinct, k-means finds fewer clusters than asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        while True:
            try:
                return GaussianMixture.of(mixture.fit(latent))
            except ValueError as error:
                if mixture.reg_covar >= 1:
                    raise GeneratorError(
                        f"no Gaussian mixture fits the features: {error}"
                    ) from error
                mixture.set_params(reg_covar=10 * mixture.reg_covar)
