"""Causal discovery: PC and FCI over resamples and significance levels, as edge probabilities.

The result is a function of the rows, the settings and the seed; the order of the columns and, but
for the emergency brake, the speed of the machine have no influence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.edges import EdgeProbabilities, votes
from lit_causalmix.causal.encoding import Encoded
from lit_causalmix.causal.independence import Correlations
from lit_causalmix.causal.orientation import fci_marks, pc_marks, possible_d_sep
from lit_causalmix.causal.skeleton import (
    Allowance,
    Skeleton,
    find_skeleton,
    remove_by_possible_d_sep,
)
from lit_causalmix.seeding import rng as rng_for

logger = logging.getLogger(__name__)

RESAMPLED = 0.9
"""Share of the rows in a resample, drawn without replacement [our choice, by measurement].

Rows repeated by a bootstrap make tests of independence reject too often: on the networks of
`benchmarks/structure.py` it nearly doubled the calibration error of the edge probabilities.
"""


@dataclass(frozen=True)
class DiscoverySettings:
    """How structure is searched for.

    Attributes:
        algorithms: Names out of `ALGORITHMS`.
        n_bootstraps: Resamples of the training rows, each `RESAMPLED` of them.
        alphas: Significance levels; every algorithm runs at each on every resample.
        max_conditioning: Most columns conditioned on in a test.
        test_budget: Independence tests over all runs, each with an equal share. Where that does
            not suffice, columns with many neighbours are tested given the strongest ones alone: a
            bound on time that is the same on every machine.
        time_budget_s: Emergency brake: no run starts after so many seconds. Only then does the
            result depend on the speed of the machine, and a warning says so.
    """

    algorithms: tuple[str, ...] = ("pc", "fci")
    n_bootstraps: int = 5
    alphas: tuple[float, ...] = (0.01, 0.05, 0.1)
    max_conditioning: int = 3
    test_budget: int = 3_000_000
    time_budget_s: float = 300.0


@dataclass
class _Run:
    """One significance level on one resample; PC and FCI share the first phase."""

    correlations: Correlations
    alpha: float
    depth: int
    share: int
    skeleton: Skeleton


def _pc(run: _Run) -> tuple[NDArray[np.int64], int]:
    return pc_marks(run.skeleton), run.skeleton.shortened


def _fci(run: _Run) -> tuple[NDArray[np.int64], int]:
    graph = run.skeleton.copy()
    remove_by_possible_d_sep(
        graph,
        possible_d_sep(graph),
        run.correlations,
        run.alpha,
        run.depth,
        Allowance(run.share),
    )
    return fci_marks(graph), graph.shortened


ALGORITHMS: dict[str, Callable[[_Run], tuple[NDArray[np.int64], int]]] = {"pc": _pc, "fci": _fci}
"""Searches by name; each returns end marks, and for how many pairs the budget was short."""


def discover(
    table: Encoded,
    names: Sequence[str],
    settings: DiscoverySettings,
    *,
    seed: int,
    set_aside: dict[str, str] | None = None,
    progress: bool = True,
) -> EdgeProbabilities:
    """Runs every algorithm at every level on every resample, and sums their votes.

    Args:
        table: Complete, no constant column (see `encoding`).
        names: The d column names.
        settings: What to run, and for how long.
        seed: Source of the resamples.
        set_aside: Columns left out before, with the reason; carried into the result.
        progress: Whether to draw a progress bar on stderr.
    """
    from tqdm import tqdm

    d = len(names)
    summed = {a: np.zeros((d, d)) for a in settings.algorithms}
    runs = dict.fromkeys(settings.algorithms, 0)
    planned = settings.n_bootstraps * len(settings.alphas)
    total = planned * len(settings.algorithms)
    deadline = time.monotonic() + settings.time_budget_s
    short = 0
    with tqdm(total=total, desc="causal discovery", disable=not progress) as bar:
        for run in _runs(table, settings, seed):
            for algorithm in settings.algorithms:
                marks, shortened = ALGORITHMS[algorithm](run)
                summed[algorithm] += votes(marks)
                runs[algorithm] += 1
                short += shortened > 0
                bar.update()
            if time.monotonic() > deadline:
                break
    if (done := sum(runs.values())) < total:
        logger.warning(
            "causal discovery stopped after %d of %d runs: the %g s are over (the result depends "
            "on the machine)",
            done,
            total,
            settings.time_budget_s,
        )
    if short:
        logger.warning(
            "causal discovery: in %d of %d runs the budget of %d tests did not suffice for all "
            "sets of neighbours: columns with many were tested given the strongest ones alone",
            short,
            done,
            settings.test_budget,
        )
    return EdgeProbabilities(
        names=tuple(names),
        votes=summed,
        runs=runs,
        planned=dict.fromkeys(settings.algorithms, planned),
        set_aside=dict(set_aside or {}),
    )


def _runs(table: Encoded, settings: DiscoverySettings, seed: int) -> Iterator[_Run]:
    share = settings.test_budget // max(
        1, settings.n_bootstraps * len(settings.alphas) * len(settings.algorithms)
    )
    n = len(table.values)
    for b in range(settings.n_bootstraps):
        rows = rng_for(seed, "discovery", b).permutation(n)[: max(2, round(RESAMPLED * n))]
        correlations = Correlations.of(Encoded(table.values[rows], table.blocks))
        # The highest level asks for almost all tests of the others: theirs are then known.
        for alpha in sorted(settings.alphas, reverse=True):
            allowance = Allowance(share)
            graph = find_skeleton(correlations, alpha, settings.max_conditioning, allowance)
            yield _Run(correlations, alpha, settings.max_conditioning, share, graph)
