"""TableAugment: training rows on random subsets of the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class AugmentableRows:
    """Training rows and the features that can be left out.

    Attributes:
        values: Coded training rows, float64 (m, C + 1).
        varying: int64 (V,), features with at least two distinct values.
    """

    values: NDArray[np.float64]
    varying: NDArray[np.int64]


class TableAugmentGenerator(RefittedGenerator[AugmentableRows]):
    """Draws training rows with replacement and shows a random subset of their features.

    TableAugment is the comparison method of arXiv 2601.04110. Its construction is known here from
    third-party reproductions: rows with replacement, a random share of the features between one
    half and all, at least one, and the original target. There each augmented set is a table of its
    own with fewer columns. In the fixed columns of one table the features outside the subset are
    missing cells, in all rows of a subset alike [our choice]: an in-context learner fills them
    with a constant, and drops a column that is missing throughout its context, which comes closest
    to a table without them. Values drawn from the marginals would instead show that the feature
    is noise. Features without two distinct values count as in no subset and are kept, so that a
    subset always holds something to predict from [our choice].

    Args:
        min_fraction: Smallest share of the features in a subset.
        max_fraction: Largest share; the share is uniform between the two, rounded down to whole
            features and at least one.
        rows_per_subset: A call of `sample` draws one subset per so many rows. The default gives
            the synthetic rows of a common episode one subset, and a pool several [our choice].

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    def __init__(
        self, min_fraction: float = 0.5, max_fraction: float = 1.0, rows_per_subset: int = 256
    ) -> None:
        super().__init__()
        if not 0 <= min_fraction <= max_fraction <= 1:
            raise ConfigurationError(
                "min_fraction and max_fraction must lie in [0, 1] in this order, got "
                f"{min_fraction} and {max_fraction}"
            )
        if rows_per_subset < 1:
            raise ConfigurationError(f"rows_per_subset must be at least 1, got {rows_per_subset}")
        self.min_fraction = min_fraction
        self.max_fraction = max_fraction
        self.rows_per_subset = rows_per_subset

    def settings(self) -> dict[str, Any]:
        return {
            "min_fraction": self.min_fraction,
            "max_fraction": self.max_fraction,
            "rows_per_subset": self.rows_per_subset,
        }

    def learn(self, train: Table, *, seed: int, progress: bool) -> AugmentableRows:
        varying = np.fmin.reduce(train.features) < np.fmax.reduce(train.features)
        return AugmentableRows(train.values, np.flatnonzero(varying))

    def draw(
        self, learned: AugmentableRows, n: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        rows = learned.values[rng.integers(len(learned.values), size=n)]
        size = len(learned.varying)
        for start in range(0, n, self.rows_per_subset):
            share = rng.uniform(self.min_fraction, self.max_fraction)
            left_out = rng.permutation(learned.varying)[max(1, int(share * size)) :]
            rows[start : start + self.rows_per_subset, left_out] = np.nan
        return rows
