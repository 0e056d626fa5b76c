"""α-precision, β-recall and authenticity: fidelity, diversity and novelty of synthetic rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_LEVELS = 30
"""Levels of α and β, equally spaced over [0, 1], as in the published implementation."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """The two curves and their summaries; all values lie between 0 and 1.

    Attributes:
        levels: float64 (30,), α and β.
        precision_curve: float64 (30,), share of synthetic rows inside the α-support of the real
            rows; equals α for the true distribution.
        recall_curve: float64 (30,), share of real rows that the β-support of the synthetic rows
            covers.
        authenticity: Share of synthetic rows that are further from the closest real row than that
            row is from the closest other one; 0 for copies.
    """

    levels: Floats
    precision_curve: Floats
    recall_curve: Floats
    authenticity: float

    @property
    def alpha_precision(self) -> float:
        """Integrated precision, 1 − Σ |P_α − α| / Σ α; 1 for the true distribution."""
        return self._integrated(self.precision_curve)

    @property
    def beta_recall(self) -> float:
        """Integrated recall, 1 − Σ |R_β − β| / Σ β.

        1 for copies of the real rows, about 0.5 for as many fresh rows of the true distribution
        (of a real row, the closest synthetic row is then closer than the closest other real row
        in half of all cases), 0 where nothing real is covered. It may stay where it is when one
        of several modes is lost, since the published β-support follows the modes that are left:
        see `coverage`.
        """
        return self._integrated(self.recall_curve)

    @property
    def coverage(self) -> float:
        """Share of real rows that are covered, R_β at β = 1; about 0.5 for fresh rows."""
        return float(self.recall_curve[-1])

    def _integrated(self, curve: Floats) -> float:
        return float(1.0 - np.abs(self.levels - curve).sum() / self.levels.sum())


def precision_recall(real: Floats, synthetic: Floats) -> PrecisionRecall:
    """Measures synthetic rows against real rows, both as points of one space.

    Alaa et al. (ICML 2022, arXiv 2102.08921, sections 3 and 4). The published method embeds rows
    by a one-class network, whose hypersphere gives the centre of the supports; here the points
    are taken as they come (see `Embedding`) and the centre is the mean of the real rows
    [our choice], which is the published implementation's variant without an embedding. As there,

    - the α-support is the ball around the centre that holds a share α of the real rows;
    - a real row is covered by its closest synthetic row if that is no further than its closest
      other real row; the row counts at level β if that synthetic row is among the share β of
      closest synthetic rows that are nearest to the mean of all synthetic rows.

    The closest other real row is one that differs: where rows repeat, even fresh real rows would
    cover next to nothing otherwise [our choice].

    Authenticity follows the paper's definition (section 4.3): the published implementation
    looks up the distances of real rows by positions of synthetic ones.

    Recall depends on how dense the points lie, so take as many synthetic as real rows.

    Args:
        real: float64 (n, E), n >= 2.
        synthetic: float64 (m, E), m >= 1.
    """
    from sklearn.neighbors import NearestNeighbors

    levels = np.linspace(0, 1, N_LEVELS)
    centre, synthetic_centre = real.mean(axis=0), synthetic.mean(axis=0)

    radii = np.quantile(_distance(real, centre), levels)
    precision = (_distance(synthetic, centre)[:, None] <= radii).mean(axis=0)

    real_to_other = _to_closest_other(real)
    real_to_synthetic, closest = NearestNeighbors(n_neighbors=1).fit(synthetic).kneighbors(real)
    to_synthetic_centre = _distance(synthetic[closest[:, 0]], synthetic_centre)
    covered = real_to_synthetic[:, 0] <= real_to_other
    inside = to_synthetic_centre[:, None] <= np.quantile(to_synthetic_centre, levels)
    recall = (covered[:, None] & inside).mean(axis=0)

    synthetic_to_real, nearest = NearestNeighbors(n_neighbors=1).fit(real).kneighbors(synthetic)
    authentic = synthetic_to_real[:, 0] > real_to_other[nearest[:, 0]]
    return PrecisionRecall(levels, precision, recall, float(authentic.mean()))


def _to_closest_other(points: Floats) -> Floats:
    """Distance of each point to the closest different one; 0 where all are equal."""
    from sklearn.neighbors import NearestNeighbors

    different = np.unique(points, axis=0)
    n_neighbors = min(2, len(different))
    distances = NearestNeighbors(n_neighbors=n_neighbors).fit(different).kneighbors(points)[0]
    farther: Floats = distances[:, -1]
    return farther


def _distance(points: Floats, centre: Floats) -> Floats:
    distance: Floats = np.linalg.norm(points - centre, axis=1)
    return distance
