"""Causal discovery: PC and FCI over resamples and significance levels, as edge probabilities.

The result is a function of the rows, the settings and the seed; the number of processes, the order
of the columns (in the batched search) and, but for the emergency brake, the speed of the machine
have no influence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lit_causalmix.bars import Bar
from lit_causalmix.causal.graphs.constraints import Constraints
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.search.batched import batched
from lit_causalmix.causal.search.causal_learn import causal_learn
from lit_causalmix.causal.search.encoding import Encoded
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.problem import Outcome, Problem
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.seeding import rng as rng_for

logger = logging.getLogger(__name__)

ALGORITHMS = ("pc", "fci")

SEARCHES: dict[str, Callable[[Problem], Iterator[Outcome]]] = {
    "batched": batched,
    "causal-learn": causal_learn,
}
"""Who runs the algorithms: our own batched form of them, or causal-learn."""

RESAMPLED = 0.9
"""Share of the rows in a resample, drawn without replacement [our choice, by measurement].

Rows repeated by a bootstrap make tests of independence reject too often: on the networks of
`benchmarks/structure.py` it nearly doubled the calibration error of the edge probabilities.
"""


MOST_COLUMNS = 600
"""Most columns of a search: the graphs of so many that all go together take minutes to orient."""


@dataclass(frozen=True)
class DiscoverySettings:
    """How structure is searched for.

    Attributes:
        algorithms: Names out of `ALGORITHMS`.
        n_resamples: Resamples of the training rows, each `RESAMPLED` of them.
        alphas: Significance levels; every algorithm runs at each on every resample.
        max_conditioning: Most columns conditioned on in a test.
        test_budget: Independence tests over all runs of the batched search, each with an equal
            share. Where that does not suffice, columns with many neighbours are tested given the
            strongest ones alone: a bound on time that is the same on every machine.
        time_budget_s: Emergency brake: no run starts after so many seconds. Only then does the
            result depend on the speed of the machine, and a warning says so.
        search: Out of `SEARCHES`.
        n_jobs: Processes that share the resamples, -1 for as many as processors; they have no
            influence on the result.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    algorithms: tuple[str, ...] = ALGORITHMS
    n_resamples: int = 5
    alphas: tuple[float, ...] = (0.01, 0.05, 0.1)
    max_conditioning: int = 3
    test_budget: int = 3_000_000
    time_budget_s: float = 300.0
    search: str = "batched"
    n_jobs: int = 1

    def __post_init__(self) -> None:
        for name, value, least in (
            ("n_resamples", self.n_resamples, 1),
            ("max_conditioning", self.max_conditioning, 0),
            ("test_budget", self.test_budget, 1),
        ):
            if value < least:
                raise ConfigurationError(f"{name} must be at least {least}, got {value}")
        if not self.time_budget_s > 0:
            raise ConfigurationError(f"time_budget_s must be above 0, got {self.time_budget_s}")
        if not self.alphas or not all(0 < a < 1 for a in self.alphas):
            raise ConfigurationError(f"alphas must be one or more in (0, 1), got {self.alphas}")
        names = self.algorithms
        if not names or not set(names) <= set(ALGORITHMS):
            raise ConfigurationError(
                f"algorithms must be one or more of {sorted(ALGORITHMS)}, got {names}"
            )
        if len(set(names)) < len(names):
            raise ConfigurationError(f"algorithms must differ, got {names}")
        if self.search not in SEARCHES:
            raise ConfigurationError(
                f"search must be one of {tuple(SEARCHES)}, got {self.search!r}"
            )
        if self.n_jobs < 1 and self.n_jobs != -1:
            raise ConfigurationError(
                f"n_jobs must be at least 1, or -1 for all processors, got {self.n_jobs}"
            )

    @property
    def heeds_constraints(self) -> bool:
        """Whether what is known of the edges influences the search, not only the graphs."""
        return self.search == "causal-learn"

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings that can change the result as JSON values."""
        content = asdict(self) | {"alphas": list(self.alphas), "algorithms": list(self.algorithms)}
        del content["n_jobs"]
        return content


def discover(
    table: Encoded,
    names: Sequence[str],
    settings: DiscoverySettings,
    *,
    seed: int,
    constraints: Constraints | None = None,
    set_aside: dict[str, str] | None = None,
    progress: bool = True,
) -> EdgeProbabilities:
    """Runs every algorithm at every level on every resample, and sums their votes.

    Args:
        table: Complete, no constant column (see `encoding`).
        names: The d column names.
        settings: What to run, and for how long.
        seed: Source of the resamples.
        constraints: What is known of the edges, for a search that takes it as background
            knowledge; the votes may contradict it nonetheless.
        set_aside: Columns left out before, with the reason; carried into the result.
        progress: Whether to draw a progress bar on stderr.

    Raises:
        GeneratorError: If there are too many columns, or not one run ended in time.
    """
    d = len(names)
    if d > MOST_COLUMNS:
        raise GeneratorError(
            f"causal discovery takes at most {MOST_COLUMNS} columns, as its work grows with the "
            f"cube of their number, got {d}: leave some out with data.table.drop, or choose a "
            "generator without a search"
        )
    summed = {a: np.zeros((d, d)) for a in settings.algorithms}
    runs = dict.fromkeys(settings.algorithms, 0)
    planned = settings.n_resamples * len(settings.alphas)
    total = planned * len(settings.algorithms)
    deadline = time.monotonic() + settings.time_budget_s
    known = constraints or Constraints()
    short = 0
    with Bar(total=total, desc="causal discovery", disable=not progress) as bar:
        for found in _outcomes(table, tuple(names), settings, known, seed, deadline):
            summed[found.algorithm] += found.votes
            runs[found.algorithm] += 1
            short += found.shortened
            bar.update()
    done = sum(runs.values())
    if not done:
        raise GeneratorError(
            f"causal discovery: no run ended within {settings.time_budget_s:g} s: raise "
            'time_budget_s, or set search to "batched"'
        )
    if done < total:
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


def _outcomes(
    table: Encoded,
    names: tuple[str, ...],
    settings: DiscoverySettings,
    constraints: Constraints,
    seed: int,
    deadline: float,
) -> Iterator[Outcome]:
    """Yields the runs as they end, in the same order for any number of processes."""
    arguments = (table, names, settings, constraints, seed, deadline)
    if settings.n_jobs == 1:
        for b in range(settings.n_resamples):
            yield from _resample(b, *arguments)
        return
    from joblib import Parallel, delayed, parallel_config

    # One thread each, as here: with others, sums might differ in the last bit.
    with parallel_config("loky", n_jobs=settings.n_jobs, inner_max_num_threads=1):
        jobs = (delayed(_listed)(b, *arguments) for b in range(settings.n_resamples))
        for outcomes in Parallel(return_as="generator")(jobs):
            yield from outcomes


def _listed(b: int, *arguments: Any) -> list[Outcome]:
    return list(_resample(b, *arguments))


def _resample(
    b: int,
    table: Encoded,
    names: tuple[str, ...],
    settings: DiscoverySettings,
    constraints: Constraints,
    seed: int,
    deadline: float,
) -> Iterator[Outcome]:
    """Searches the b-th resample."""
    if b and time.monotonic() > deadline:
        return
    n, runs = len(table.values), settings.n_resamples * len(settings.alphas)
    generator = rng_for(seed, "discovery", b)
    rows = generator.permutation(n)[: max(2, round(RESAMPLED * n))]
    problem = Problem(
        tests=Correlations.of(table.take(rows)),
        names=names,
        order=generator.permutation(len(names)),
        algorithms=settings.algorithms,
        alphas=tuple(sorted(settings.alphas, reverse=True)),
        max_conditioning=settings.max_conditioning,
        test_budget=settings.test_budget // max(1, runs * len(settings.algorithms)),
        constraints=constraints,
        deadline=deadline,
        first=b == 0,
    )
    yield from SEARCHES[settings.search](problem)
