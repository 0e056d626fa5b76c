"""Families of mechanisms, and the choice between them for one node by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.boosted import MAX_CATEGORIES, BoostedClassifier, BoostedRegressor
from lit_causalmix.causal.models.forest import ForestClassifier, ForestRegressor
from lit_causalmix.causal.models.linear import LogisticMechanism, RidgeMechanism
from lit_causalmix.causal.sampler.scores import Bins, Scores

FOLDS = 3
GAIN = 0.01
"""Share of the loss by which boosting must be better to be chosen [our choice]."""

LEAST_LIKELIHOOD = 1e-6
"""What a class that a fold lacks counts in the log-loss."""

MAX_BOOSTED_CLASSES = 10
"""Boosting grows one tree per class and iteration; beyond this it is not tried [our choice]."""


class Estimator(Protocol):
    """A regressor (K = 1) or classifier of one node on its p parents, all coded numbers."""

    cardinalities: tuple[int, ...]

    def fit(self, parents: NDArray[np.float64], child: NDArray[np.float64]) -> None: ...

    def predict(self, parents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns expected values (n, 1) or class probabilities (n, K)."""

    def scores(self, nodes: Sequence[int]) -> Scores:
        """Compiles the fitted model; `nodes` are the columns of the parents."""

    def bins(self, nodes: Sequence[int]) -> tuple[Bins, ...] | None:
        """Returns the bins within which the scores are constant, if there are such."""


class ClassEstimator(Estimator, Protocol):
    """An estimator of class probabilities."""

    @property
    def classes(self) -> NDArray[np.float64]:
        """Code of each output, float64 (K,)."""


@dataclass(frozen=True)
class Family:
    """The regressor and the classifier of one family, and what it takes."""

    regressor: Callable[[Sequence[int]], Estimator]
    classifier: Callable[[Sequence[int]], ClassEstimator]
    max_categories: float = float("inf")
    max_classes: float = float("inf")

    def takes(self, cardinalities: Sequence[int], n_classes: int) -> bool:
        return (
            max(cardinalities, default=0) <= self.max_categories and n_classes <= self.max_classes
        )


FAMILIES = {
    "linear": Family(RidgeMechanism, LogisticMechanism),
    "boosting": Family(BoostedRegressor, BoostedClassifier, MAX_CATEGORIES, MAX_BOOSTED_CLASSES),
    "forest": Family(ForestRegressor, ForestClassifier, MAX_CATEGORIES),
}

CANDIDATES = ("linear", "boosting")
"""Families that `choose_family` compares; a forest costs several times more to fit and draw."""


def choose_family(
    parents: NDArray[np.float64],
    child: NDArray[np.float64],
    cardinalities: Sequence[int],
    n_classes: int,
    rng: np.random.Generator,
) -> str:
    """Compares the candidates by cross-validated squared error or log-loss.

    Args:
        parents: Complete coded parents, float64 (n, p).
        child: Coded child, float64 (n,).
        cardinalities: Number of codes of each parent, 0 for a numerical one.
        n_classes: Number of codes of the child, 0 for a numerical one.
        rng: Source of the folds.

    Returns:
        "linear", unless boosting is better by more than `GAIN`.
    """
    if not comparable(cardinalities, n_classes, len(child)):
        return "linear"
    fold = rng.permutation(len(child)) % FOLDS
    if not varies(child, fold):
        return "linear"
    linear, boosting = (
        held_out_loss(FAMILIES[name], parents, child, cardinalities, n_classes, fold)
        for name in CANDIDATES
    )
    return "boosting" if boosting < (1 - GAIN) * linear else "linear"


def comparable(cardinalities: Sequence[int], n_classes: int, rows: int) -> bool:
    """Whether boosting takes the columns of a node, and there are rows enough to tell."""
    return FAMILIES["boosting"].takes(cardinalities, n_classes) and rows >= 10 * FOLDS


def varies(child: NDArray[np.float64], fold: NDArray[np.intp]) -> bool:
    """Whether the child, float64 (n,), is not constant without any of its folds, (n,)."""
    return all(np.ptp(child[fold != k]) > 0 for k in range(FOLDS))


def held_out_loss(
    family: Family,
    parents: NDArray[np.float64],
    child: NDArray[np.float64],
    cardinalities: Sequence[int],
    n_classes: int,
    fold: NDArray[np.intp],
) -> float:
    """Returns the squared error, or the log-loss, of a family, summed over the held-out folds."""
    losses = _log_loss if n_classes else _squared_error
    total = 0.0
    for held_out in (fold == k for k in range(FOLDS)):
        total += losses(
            family,
            cardinalities,
            (parents[~held_out], child[~held_out]),
            (parents[held_out], child[held_out]),
        )
    return total


_Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


def _squared_error(
    family: Family, cardinalities: Sequence[int], train: _Rows, test: _Rows
) -> float:
    estimator = family.regressor(cardinalities)
    estimator.fit(*train)
    return float(np.sum((estimator.predict(test[0])[:, 0] - test[1]) ** 2))


def _log_loss(family: Family, cardinalities: Sequence[int], train: _Rows, test: _Rows) -> float:
    estimator = family.classifier(cardinalities)
    estimator.fit(*train)
    matches = estimator.classes[None, :] == test[1][:, None]
    likelihood = (estimator.predict(test[0]) * matches).sum(axis=1)
    return float(-np.log(np.maximum(likelihood, LEAST_LIKELIHOOD)).sum())
