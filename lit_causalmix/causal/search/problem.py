"""What a search for structure gets, and what it gives."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.constraints import Constraints
from lit_causalmix.causal.search.independence import Correlations


@dataclass(frozen=True, eq=False)
class Problem:
    """One resample of the rows, to be searched at every level.

    Attributes:
        tests: The tests of independence on these rows.
        names: The d columns.
        order: int64 (d,), a random order, for a search that depends on it.
        algorithms: Names of algorithms.
        alphas: Significance levels, in falling order.
        max_conditioning: Most columns conditioned on in a test.
        test_budget: Tests that one run may ask for.
        constraints: What is known of the edges.
        deadline: `time.monotonic()` after which no run starts, but for the first of all.
        first: Whether this is the first resample.
    """

    tests: Correlations
    names: tuple[str, ...]
    order: NDArray[np.int64]
    algorithms: tuple[str, ...]
    alphas: tuple[float, ...]
    max_conditioning: int
    test_budget: int
    constraints: Constraints
    deadline: float
    first: bool

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.deadline


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run found.

    Attributes:
        algorithm: Its name.
        votes: float64 (d, d), see `edges.votes`.
        shortened: Whether the budget of tests was short.
    """

    algorithm: str
    votes: NDArray[np.float64]
    shortened: bool = False
