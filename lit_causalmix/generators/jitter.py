"""Training rows with noise on every cell: a control that any generator has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.tables.scaling import location_scale
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class JitteredRows:
    """Training rows and the noise that each column takes.

    Attributes:
        values: Coded training rows, float64 (m, C + 1).
        deviation: float64 (C + 1,), standard deviation of the noise; 0 where there is none.
        flipped: Columns whose categories may be drawn anew.
        support: Ranges of the columns.
    """

    values: NDArray[np.float64]
    deviation: NDArray[np.float64]
    flipped: tuple[int, ...]
    support: Support

    def smoothed(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows with replacement and adds the Gaussian noise, float64 (n, C + 1).

        A column of variance s² that takes noise of deviation h·s comes out with variance
        (1 + h²)·s², as nothing is rounded or clipped yet.
        """
        rows = self.values[rng.integers(len(self.values), size=n)]
        return rows + self.deviation * rng.standard_normal(rows.shape)


class JitterGenerator(RefittedGenerator[JitteredRows]):
    """Draws training rows with replacement and moves every cell a little: a smoothed bootstrap.

    Numerical cells take Gaussian noise (Silverman and Young, Biometrika 1987, without shrinkage),
    are rounded where the column holds whole numbers and kept in the training range. Categories
    are drawn anew from the column's training cells with a small probability (the kernel of
    Aitchison and Aitken, Biometrika 1976, with the marginal in place of the uniform distribution).
    A class label is kept; a regression target takes noise like any numerical column. Missing cells
    stay missing. [Our choice of a control, and of its settings.]

    Args:
        bandwidth: Deviation of the noise, in standard deviations of the column.
        flip_probability: Probability that a category is drawn anew, which may give the same one.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    def __init__(self, bandwidth: float = 0.1, flip_probability: float = 0.05) -> None:
        super().__init__()
        if not 0 <= bandwidth < float("inf"):
            raise ConfigurationError(f"bandwidth must be finite and at least 0, got {bandwidth}")
        if not 0 <= flip_probability <= 1:
            raise ConfigurationError(f"flip_probability must lie in [0, 1], got {flip_probability}")
        self.bandwidth = bandwidth
        self.flip_probability = flip_probability

    def settings(self) -> dict[str, Any]:
        return {"bandwidth": self.bandwidth, "flip_probability": self.flip_probability}

    def learn(self, train: Table, *, seed: int, progress: bool) -> JitteredRows:
        columns, values = train.schema.columns, train.values
        known = [cells[~np.isnan(cells), None] for cells in values.T]
        spread = np.array(
            [
                float(location_scale(cells)[1][0]) if column.is_numerical and len(cells) else 0.0
                for column, cells in zip(columns, known, strict=True)
            ]
        )
        flipped = [j for j, c in enumerate(train.schema.features) if not c.is_numerical]
        return JitteredRows(values, self.bandwidth * spread, tuple(flipped), Support.of(train))

    def draw(self, learned: JitteredRows, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        rows = learned.support.restrict(learned.smoothed(n, rng))
        for j in learned.flipped:
            cells = learned.values[:, j]
            known = cells[~np.isnan(cells)]
            flips = (rng.random(n) < self.flip_probability) & ~np.isnan(rows[:, j])
            rows[flips, j] = rng.choice(known, size=int(flips.sum()))
        return rows
