"""Adversarial random forests: rows from forests whose leaves hold independent columns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.leaves import Leaves
from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.seeding import derived_seed
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.scaling import single_unit
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

CHANCE = 0.5
"""Accuracy of a forest that tells real from synthetic rows no better than a coin."""


@dataclass(frozen=True, eq=False)
class AdversarialForest:
    """What was learned.

    Attributes:
        leaves: Of the last forest.
        accuracies: How well each forest told real from synthetic rows that it had not seen.
        support: Ranges of the columns.
        unit: float64 (W,), in which the leaves hold the columns, as trees compare in float32.
    """

    leaves: Leaves
    accuracies: tuple[float, ...]
    support: Support
    unit: NDArray[np.float64]


class ARFGenerator(RefittedGenerator[AdversarialForest]):
    """Draws rows from an adversarial random forest.

    Adversarial random forests (Watson, Blesch, Kapar, Wright, AISTATS 2023, arXiv 2205.09435): a
    forest learns to tell real rows from rows whose columns are drawn independently; the next one,
    to tell them from rows that are drawn independently within its leaves; and so on, until it does
    no better than a coin, or no better than the one before. Then the columns are about independent
    within a leaf. A row is drawn by a leaf, a category by its frequency there, a number from a
    normal distribution cut at the leaf's box. The target is a column like any other.

    Written here over scikit-learn's forests: the package arfpy (MIT) has had one release, in 2023,
    and draws from numpy's global generator. Our choices: categories are split by their codes, as in
    arfpy; gaps are seen by the forest as such, and drawn with the frequency in a leaf; numbers are
    rounded where whole, and equal ones in a leaf stay as they are.

    Args:
        n_trees: Trees of a forest.
        min_leaf_rows: Fewest rows, real and synthetic, in a leaf.
        max_rounds: Most forests.
        tolerance: Accuracy above that of a coin that counts as no better.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    libraries = ("numpy", "scikit-learn", "scipy")

    def __init__(
        self,
        n_trees: int = 30,
        min_leaf_rows: int = 5,
        max_rounds: int = 10,
        tolerance: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("n_trees", n_trees),
            ("min_leaf_rows", min_leaf_rows),
            ("max_rounds", max_rounds),
        ):
            if value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")
        if not 0 <= tolerance <= CHANCE:
            raise ConfigurationError(f"tolerance must lie in [0, {CHANCE}], got {tolerance}")
        self.n_trees = n_trees
        self.min_leaf_rows = min_leaf_rows
        self.max_rounds = max_rounds
        self.tolerance = tolerance

    def settings(self) -> dict[str, Any]:
        return {
            "n_trees": self.n_trees,
            "min_leaf_rows": self.min_leaf_rows,
            "max_rounds": self.max_rounds,
            "tolerance": self.tolerance,
        }

    def learn(self, train: Table, *, seed: int, progress: bool) -> AdversarialForest:
        unit, support = single_unit(train.values), Support.of(train)
        real = train.values / unit
        ranges = replace(support, low=support.low / unit, high=support.high / unit)
        numerical = np.array([c.is_numerical for c in train.schema.columns])
        rng = rng_for(seed, "arf", "independent")
        rows = np.column_stack([rng.choice(cells, size=len(real)) for cells in real.T])
        forest, accuracy = self._tell_apart(real, rows, derived_seed(seed, "arf", 0))
        accuracies = [accuracy]
        leaves = Leaves.of(forest, real, numerical, ranges)
        for number in range(1, self.max_rounds):
            if accuracies[-1] <= CHANCE + self.tolerance:
                break
            rows = leaves.draw(len(real), rng_for(seed, "arf", "rows", number))
            forest, accuracy = self._tell_apart(real, rows, derived_seed(seed, "arf", number))
            if accuracy >= accuracies[-1]:
                break  # as published: the last forest that learned something stays
            accuracies.append(accuracy)
            leaves = Leaves.of(forest, real, numerical, ranges)
        return AdversarialForest(leaves, tuple(accuracies), support, unit)

    def draw(
        self, learned: AdversarialForest, n: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        return learned.support.restrict(learned.leaves.draw(n, rng) * learned.unit)

    def _tell_apart(
        self, real: NDArray[np.float64], synthetic: NDArray[np.float64], seed: int
    ) -> tuple[Any, float]:
        """A forest that tells real from synthetic rows, and its accuracy out of the bag."""
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            self.n_trees, min_samples_leaf=self.min_leaf_rows, oob_score=True, random_state=seed
        )
        origin = np.repeat([1, 0], [len(real), len(synthetic)])
        with warnings.catch_warnings():
            # With few trees some rows are in every bag: they are left out of the accuracy.
            warnings.filterwarnings("ignore", "Some inputs do not have OOB scores")
            warnings.filterwarnings("ignore", "invalid value encountered")
            forest.fit(np.concatenate([real, synthetic]), origin)
        seen = ~np.isnan(forest.oob_decision_function_[:, 1])
        said = forest.oob_decision_function_[seen, 1] > CHANCE
        return forest, float((said == origin[seen]).mean()) if seen.any() else CHANCE
