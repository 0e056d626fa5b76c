"""PC and FCI in batched form: all tests of a level at once, whatever the order of the columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import votes
from lit_causalmix.causal.search.independence import Correlations
from lit_causalmix.causal.search.orientation import fci_marks, pc_marks, possible_d_sep
from lit_causalmix.causal.search.problem import Outcome, Problem
from lit_causalmix.causal.search.skeleton import (
    Allowance,
    Skeleton,
    find_skeleton,
    remove_by_possible_d_sep,
)


@dataclass
class _Run:
    """One significance level on one resample; PC and FCI share the first phase."""

    tests: Correlations
    alpha: float
    depth: int
    share: int
    skeleton: Skeleton


def _pc(run: _Run) -> tuple[NDArray[np.int64], int]:
    return pc_marks(run.skeleton), run.skeleton.shortened


def _fci(run: _Run) -> tuple[NDArray[np.int64], int]:
    graph = run.skeleton.copy()
    remove_by_possible_d_sep(
        graph, possible_d_sep(graph), run.tests, run.alpha, run.depth, Allowance(run.share)
    )
    return fci_marks(graph), graph.shortened


_ALGORITHMS: dict[str, Callable[[_Run], tuple[NDArray[np.int64], int]]] = {"pc": _pc, "fci": _fci}


def batched(problem: Problem) -> Iterator[Outcome]:
    """Runs the algorithms at each level that starts in time; constraints do not guide them."""
    # The highest level asks for almost all tests of the others: theirs are then known.
    for position, alpha in enumerate(problem.alphas):
        if problem.over and not (problem.first and position == 0):
            return
        allowance = Allowance(problem.test_budget)
        graph = find_skeleton(problem.tests, alpha, problem.max_conditioning, allowance)
        run = _Run(problem.tests, alpha, problem.max_conditioning, problem.test_budget, graph)
        for algorithm in problem.algorithms:
            marks, shortened = _ALGORITHMS[algorithm](run)
            yield Outcome(algorithm, votes(marks), shortened > 0)
