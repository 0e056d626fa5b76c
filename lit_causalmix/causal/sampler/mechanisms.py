"""Compiled mechanisms: how one node follows from its parents and its noise, as plain arrays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.sampler.scores import Scores


class Mechanism(Protocol):
    """One node of a compiled structural causal model."""

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turns uniform numbers in [0, 1), float64 (n,), into the node's noise, float64 (n,)."""

    def evaluate(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Computes the node, float64 (n,), from the values of all nodes (n, d) and its noise."""

    def abduct(
        self,
        values: NDArray[np.float64],
        observed: NDArray[np.float64],
        uniform: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Returns the noise, float64 (n,), behind a node that was observed.

        Args:
            values: Of all nodes, float64 (n, d).
            observed: Of this node, float64 (n,).
            uniform: In [0, 1), float64 (n,): the place within the posterior of the noise, where
                more than one value explains what was observed.
        """


def _pick(pool: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    return pool[(uniform * len(pool)).astype(np.intp)]


@dataclass(frozen=True, eq=False)
class Root:
    """A node without parents: its empirical distribution.

    Attributes:
        pool: float64 (m,), the training values that were not missing.
    """

    pool: NDArray[np.float64]

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        return _pick(self.pool, uniform)

    def evaluate(
        self,
        values: NDArray[np.float64],
        noise: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        return noise

    def abduct(
        self,
        values: NDArray[np.float64],
        observed: NDArray[np.float64],
        uniform: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        return observed


@dataclass(frozen=True, eq=False)
class Additive:
    """A numerical node: score of the parents plus noise, kept in the support.

    Attributes:
        scores: One output.
        residuals: float64 (m,), the noise's empirical distribution.
        low: Smallest training value.
        high: Largest training value.
        integer: Whether values are rounded to whole numbers.
    """

    scores: Scores
    residuals: NDArray[np.float64]
    low: float
    high: float
    integer: bool

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        return _pick(self.residuals, uniform)

    def evaluate(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return keep_support(self.scores(values)[:, 0] + noise, self.low, self.high, self.integer)

    def abduct(
        self,
        values: NDArray[np.float64],
        observed: NDArray[np.float64],
        uniform: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        return observed - self.scores(values)[:, 0]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A categorical node: the class whose slice of the cumulative probability holds the noise.

    Attributes:
        scores: K logits, or the one logit of the second of two classes; cumulative weights of K
            classes where `cumulative` is set.
        classes: float64 (K,), code of each class; at most 256.
        cumulative: Whether the scores are already cumulative.
    """

    scores: Scores
    classes: NDArray[np.float64]
    cumulative: bool

    def noise(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        return uniform

    def evaluate(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        weights = self._weights(values)
        missed = weights.T[:-1] < noise * weights[:, -1]
        index = np.add.reduce(missed.view(np.uint8), axis=0, dtype=np.uint8)
        drawn: NDArray[np.float64] = self.classes[index]
        return drawn

    def abduct(
        self,
        values: NDArray[np.float64],
        observed: NDArray[np.float64],
        uniform: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """A draw from the slice of the observed class: prior and likelihood are both flat on it.

        A class that the model has not seen says nothing about the noise, which is then drawn from
        all of [0, 1).
        """
        weights = self._weights(values)
        edges = np.column_stack([np.zeros(len(weights)), weights / weights[:, -1:]])
        index = np.minimum(np.searchsorted(self.classes, observed), len(self.classes) - 1)
        rows, known = np.arange(len(weights)), self.classes[index] == observed
        low = np.where(known, edges[rows, index], 0.0)
        high = np.where(known, edges[rows, index + 1], 1.0)
        # From the upper end downwards, as a slice holds its upper end and not its lower one.
        noise: NDArray[np.float64] = high - uniform * (high - low)
        return noise

    def _weights(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cumulative weights of the classes, float64 (n, K)."""
        scores = self.scores(values)
        return scores if self.cumulative else cumulative_weights(scores)


def cumulative_weights(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns class weights (n, K) summed from the first class on, not normalised.

    Args:
        logits: float64 (n, K), or (n, 1) with the logit of the second of two classes.
    """
    if logits.shape[1] == 1:
        pair = np.ones((2, len(logits)))
        pair[0] = 0.5 - 0.5 * np.tanh(0.5 * logits[:, 0])
        return pair.T
    # Class by class: numpy's own cumsum is several times slower along so short an axis.
    by_class: NDArray[np.float64] = logits.T - logits.T.max(axis=0)
    np.exp(by_class, out=by_class)
    for before, weights in itertools.pairwise(by_class):
        weights += before
    return by_class.T


def keep_support(
    values: NDArray[np.float64], low: float, high: float, integer: bool
) -> NDArray[np.float64]:
    """Rounds where only whole numbers occur, and clips to the training range."""
    kept = np.rint(values) if integer else values
    clipped: NDArray[np.float64] = np.minimum(np.maximum(kept, low), high)
    return clipped
