"""Fisher's z for causal-learn: the same test as its own, cached, counted and interruptible.

Import this module lazily: it imports causal-learn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from causallearn.utils.cit import CIT_Base, register_ci_test
from numpy.typing import NDArray

NAME = "lit_causalmix_fisher_z"

_SINGULAR = 1e-7
_SHRINK = 1e-6
_CLOCK_EVERY = 256


class BudgetSpentError(Exception):
    """Ends a run of causal-learn from inside its independence test."""


@dataclass
class Budget:
    """Tests left in all, and the time until which they may run.

    Attributes:
        tests: Calls left; the same on every machine.
        deadline: On the clock of `time.monotonic`; a safety net that depends on the machine.
    """

    tests: int
    deadline: float

    def spend(self) -> None:
        self.tests -= 1
        if self.tests < 0 or (self.tests % _CLOCK_EVERY == 0 and time.monotonic() > self.deadline):
            raise BudgetSpentError


@dataclass
class Correlations:
    """What all runs on one bootstrap share: correlations, and the p-values computed so far.

    Attributes:
        matrix: float64 (d, d); pulled towards the identity by 1e-6 where it is singular.
        rows: Number of rows behind it.
        p_values: Keyed by (low, high, *sorted conditioning set).
    """

    matrix: NDArray[np.float64]
    rows: int
    p_values: dict[tuple[int, ...], float] = field(default_factory=dict)

    @classmethod
    def of(cls, data: NDArray[np.float64]) -> Correlations:
        """Computes the correlations of data (n, d); a constant column correlates with nothing."""
        centred = data - data.mean(axis=0)
        norm = np.linalg.norm(centred, axis=0)
        centred /= np.where(norm > 0, norm, 1.0)
        matrix = np.clip(centred.T @ centred, -1.0, 1.0)
        if np.linalg.eigvalsh(matrix)[0] < _SINGULAR:
            matrix *= 1 - _SHRINK
        np.fill_diagonal(matrix, 1.0)
        return cls(matrix, len(data))


class FisherZ(CIT_Base):  # type: ignore[misc] # causal-learn has no types
    """Tests whether the partial correlation of two columns is zero.

    Args:
        data: float64 (n, d); only its shape is used.
        correlations: Computed from the same data.
        max_conditioning: Larger conditioning sets are not tested but called dependent, which keeps
            the edge; FCI's own depth limit does not reach its second phase.
        budget: Spent by one per call; None means no limit.
    """

    def __init__(
        self,
        data: NDArray[np.float64],
        correlations: Correlations,
        max_conditioning: int,
        budget: Budget | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        self.method = NAME
        self.correlations = correlations
        self.max_conditioning = max_conditioning
        self.budget = budget

    def __call__(self, X: int, Y: int, condition_set: Iterable[int] | None = None) -> float:
        """Returns the p-value of independence of X and Y given the conditioning set."""
        if self.budget is not None:
            self.budget.spend()
        given = () if condition_set is None else sorted(map(int, condition_set))
        if len(given) > self.max_conditioning:
            return 0.0
        key = (int(X), int(Y), *given) if X < Y else (int(Y), int(X), *given)
        known = self.correlations.p_values
        if key not in known:
            known[key] = p_value(self.correlations.matrix, self.correlations.rows, key)
        return known[key]


def p_value(matrix: NDArray[np.float64], rows: int, key: tuple[int, ...]) -> float:
    """Computes the two-sided p-value of Fisher's z.

    Args:
        matrix: Correlations, float64 (d, d).
        rows: Number of rows n.
        key: The two columns, then the conditioning set S.

    Returns:
        2 (1 − Φ(√(n − |S| − 3) · |atanh r|)) with r the partial correlation; 1 where n is too
        small for the test.
    """
    degrees = rows - (len(key) - 2) - 3
    if degrees <= 0:
        return 1.0
    if len(key) == 2:
        r = float(matrix[key])
    else:
        precision = np.linalg.inv(matrix[np.ix_(key, key)])
        r = float(-precision[0, 1] / math.sqrt(abs(precision[0, 0] * precision[1, 1])))
    r = min(max(r, -1 + 1e-15), 1 - 1e-15)
    return math.erfc(math.sqrt(degrees) * abs(math.atanh(r)) / math.sqrt(2))


register_ci_test(NAME, FisherZ)
