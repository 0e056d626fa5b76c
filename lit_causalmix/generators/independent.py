"""Rows whose columns know nothing of each other: a control that any generator has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.tables.table import Table


class IndependentColumnsGenerator(RefittedGenerator[NDArray[np.float64]]):
    """Draws every cell from the training cells of its column, whatever stands beside it.

    Each column is a bootstrap sample of its own: the marginals are those of the training rows,
    missing cells included, and all dependence is destroyed, that on the target too [our choice of
    a control]. A method that does not score above it owes nothing to the dependence it learned.
    """

    def settings(self) -> dict[str, Any]:
        return {}

    def learn(self, train: Table, *, seed: int, progress: bool) -> NDArray[np.float64]:
        return train.values

    def draw(
        self, learned: NDArray[np.float64], n: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        m, width = learned.shape
        return learned[rng.integers(m, size=(n, width)), np.arange(width)]
