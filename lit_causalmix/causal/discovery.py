"""Causal discovery: PC and FCI over bootstraps and significance levels, as edge probabilities."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.edges import EdgeProbabilities, votes
from lit_causalmix.seeding import rng as rng_for

if TYPE_CHECKING:
    from lit_causalmix.causal.fisher_z import Budget, Correlations

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DiscoverySettings:
    """How structure is searched for.

    Attributes:
        algorithms: Names out of `ALGORITHMS`.
        n_bootstraps: Resamples of the training rows, each with its own order of the columns.
        alphas: Significance levels; every algorithm runs at each on every bootstrap.
        max_conditioning: Most columns conditioned on in a test.
        test_budget: Independence tests over all runs, after which no further run starts or ends;
            the same on every machine. Where not even the first run ends, it is repeated without
            a limit but with at most one column to condition on.
        time_budget_s: Seconds after which the same happens; then the result depends on the speed
            of the machine, and a warning says so.
    """

    algorithms: tuple[str, ...] = ("pc", "fci")
    n_bootstraps: int = 5
    alphas: tuple[float, ...] = (0.01, 0.05, 0.1)
    max_conditioning: int = 3
    test_budget: int = 1_000_000
    time_budget_s: float = 300.0


def discover(
    data: NDArray[np.float64],
    names: Sequence[str],
    settings: DiscoverySettings,
    *,
    seed: int,
    set_aside: dict[str, str] | None = None,
    progress: bool = True,
) -> EdgeProbabilities:
    """Runs every algorithm at every level on every bootstrap, and sums their votes.

    Args:
        data: float64 (n, d), complete, no constant column (see `encoding`).
        names: The d column names.
        settings: What to run, and for how long.
        seed: Source of the bootstraps and column orders.
        set_aside: Columns left out before, with the reason; carried into the result.
        progress: Whether to draw a progress bar on stderr.
    """
    from tqdm import tqdm

    from lit_causalmix.causal.fisher_z import Budget, BudgetSpentError

    d = len(names)
    summed = {a: np.zeros((d, d)) for a in settings.algorithms}
    runs = dict.fromkeys(settings.algorithms, 0)
    planned = settings.n_bootstraps * len(settings.alphas)
    budget = Budget(settings.test_budget, time.monotonic() + settings.time_budget_s)
    with tqdm(
        total=planned * len(settings.algorithms), desc="causal discovery", disable=not progress
    ) as bar:
        for algorithm, alpha, resample in _runs(data, settings, seed):
            try:
                found = resample.run(algorithm, alpha, settings.max_conditioning, budget)
            except BudgetSpentError:
                if any(runs.values()):
                    break
                found = resample.run(algorithm, alpha, min(1, settings.max_conditioning), None)
            summed[algorithm] += votes(found)
            runs[algorithm] += 1
            bar.update()
    done = sum(runs.values())
    if done < planned * len(settings.algorithms):
        logger.warning(
            "causal discovery stopped after %d of %d runs: the budget of %s is spent",
            done,
            planned * len(settings.algorithms),
            f"{settings.test_budget} tests"
            if budget.tests < 0
            else f"{settings.time_budget_s:g} s (the result depends on the machine)",
        )
    return EdgeProbabilities(
        names=tuple(names),
        votes=summed,
        runs=runs,
        planned=dict.fromkeys(settings.algorithms, planned),
        set_aside=dict(set_aside or {}),
    )


@dataclass(frozen=True, eq=False)
class _Resample:
    """One bootstrap in its own column order, with the p-values that its runs share."""

    data: NDArray[np.float64]
    permutation: NDArray[np.intp]
    correlations: Correlations

    def run(
        self, algorithm: str, alpha: float, depth: int, budget: Budget | None
    ) -> NDArray[np.integer]:
        """Returns the end marks (d, d) in the original column order."""
        from lit_causalmix.causal.fisher_z import NAME

        test = {
            "correlations": self.correlations,
            "max_conditioning": depth,
            "budget": budget,
        }
        # FCI prints edges to stdout whatever it is told; both warn about more columns than rows.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ALGORITHMS[algorithm](self.data, float(alpha), depth, NAME, test)
        endpoints = np.empty_like(found)
        endpoints[np.ix_(self.permutation, self.permutation)] = found
        return endpoints


def _runs(
    data: NDArray[np.float64], settings: DiscoverySettings, seed: int
) -> Iterator[tuple[str, float, _Resample]]:
    from lit_causalmix.causal.fisher_z import Correlations

    """Yields the runs such that those before a spent budget differ in resample and level."""
    levels = len(settings.alphas)
    for turn, b in itertools.product(range(levels), range(settings.n_bootstraps)):
        rng = rng_for(seed, "discovery", b)
        rows = rng.integers(len(data), size=len(data))
        permutation = rng.permutation(data.shape[1])
        resampled = np.ascontiguousarray(data[np.ix_(rows, permutation)])
        resample = _Resample(resampled, permutation, Correlations.of(resampled))
        for algorithm in settings.algorithms:
            yield algorithm, settings.alphas[(turn + b) % levels], resample


_Search = Callable[[NDArray[np.float64], float, int, str, dict[str, Any]], NDArray[np.integer]]


def _pc(
    data: NDArray[np.float64], alpha: float, depth: int, name: str, test: dict[str, Any]
) -> NDArray[np.integer]:
    from causallearn.search.ConstraintBased.PC import pc

    found: NDArray[np.integer] = pc(
        data, alpha, name, max_k=depth, show_progress=False, **test
    ).G.graph
    return found.astype(np.int64)


def _fci(
    data: NDArray[np.float64], alpha: float, depth: int, name: str, test: dict[str, Any]
) -> NDArray[np.integer]:
    from causallearn.search.ConstraintBased.FCI import fci

    # The order of the arguments differs from that of PC.
    graph, _ = fci(data, name, alpha, depth=depth, show_progress=False, **test)
    found: NDArray[np.integer] = graph.graph
    return found.astype(np.int64)


ALGORITHMS: dict[str, _Search] = {"pc": _pc, "fci": _fci}
"""Searches by name; each returns causal-learn's matrix of end marks."""
