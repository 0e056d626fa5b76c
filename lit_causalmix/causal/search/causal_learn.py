"""PC and FCI of causal-learn, run by run, with the tests of `independence`.

The tests are registered through `register_ci_test`, so that a column may be a block of indicators.
The columns stand in a random order in each resample, because causal-learn's orientation (and FCI's
second phase) depend on it. Constraints between columns are given to it as background knowledge;
forbidden edges are known to reappear, so that they are checked again on every sampled graph.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import votes
from lit_causalmix.causal.search.problem import Outcome, Problem

Known = dict[tuple[int, int, tuple[int, ...]], float]


class _TimeOverError(Exception):
    """Ends a run from within a test: causal-learn itself knows no limit."""


@functools.cache
def _registered() -> str:
    """Makes the tests known to causal-learn under the name that is returned."""
    from causallearn.utils.cit import CIT_Base, register_ci_test

    class Blocks(CIT_Base):  # type: ignore[misc] # causal-learn has no types
        def __init__(
            self, data: NDArray[np.float64], *, problem: Problem, known: Known, **_: Any
        ) -> None:
            super().__init__(data)
            self.method, self.problem, self.known = "lit-causalmix", problem, known

        def __call__(self, X: int, Y: int, condition_set: Iterable[int] | None = None) -> float:
            order = self.problem.order
            x, y = sorted((int(order[X]), int(order[Y])))
            key = x, y, tuple(sorted(int(order[z]) for z in condition_set or ()))
            if key not in self.known:
                if self.problem.over:
                    raise _TimeOverError
                found = self.problem.tests.compute(np.array([[x, y, *key[2]]]))
                self.known[key] = float(found[0])
            return self.known[key]

    register_ci_test("lit-causalmix", Blocks)
    return "lit-causalmix"


def _knowledge(problem: Problem, names: list[str]) -> Any:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    required, forbidden = problem.constraints.matrices(problem.names)
    if not (required.any() or forbidden.any()):
        return None
    nodes, place = [GraphNode(name) for name in names], np.argsort(problem.order)
    knowledge = BackgroundKnowledge()
    for add, edges in (
        (knowledge.add_required_by_node, required),
        (knowledge.add_forbidden_by_node, forbidden),
    ):
        for cause, effect in place[np.argwhere(edges)].tolist():
            add(nodes[cause], nodes[effect])
    return knowledge


def _pc(problem: Problem, alpha: float, common: dict[str, Any]) -> NDArray[np.int64]:
    from causallearn.search.ConstraintBased.PC import pc

    found = pc(_rows(problem), alpha, _registered(), max_k=problem.max_conditioning, **common)
    marks: NDArray[np.int64] = found.G.graph.astype(np.int64)
    return marks


def _fci(problem: Problem, alpha: float, common: dict[str, Any]) -> NDArray[np.int64]:
    from causallearn.search.ConstraintBased.FCI import fci

    # FCI prints to stdout even when told not to.
    with contextlib.redirect_stdout(io.StringIO()):
        graph, _ = fci(
            _rows(problem), _registered(), alpha, depth=problem.max_conditioning, **common
        )
    marks: NDArray[np.int64] = graph.graph.astype(np.int64)
    return marks


def _rows(problem: Problem) -> NDArray[np.float64]:
    """Returns rows of the right shape, at which nobody looks: the tests know their own."""
    return np.zeros((problem.tests.rows, len(problem.names)))


_ALGORITHMS: dict[str, Callable[[Problem, float, dict[str, Any]], NDArray[np.int64]]] = {
    "pc": _pc,
    "fci": _fci,
}


def causal_learn(problem: Problem) -> Iterator[Outcome]:
    """Runs the algorithms at each level; a run that the time ends counts for nothing.

    The bound on the conditioning set holds for PC and for the first phase of FCI; the second has
    none in causal-learn, which makes it slow on wide tables.
    """
    names = [str(k) for k in range(len(problem.names))]
    common: dict[str, Any] = {
        "background_knowledge": _knowledge(problem, names),
        "node_names": names,
        "show_progress": False,
        "problem": problem,
        "known": {},
    }
    back = np.argsort(problem.order)
    for alpha, algorithm in itertools.product(problem.alphas, problem.algorithms):
        if problem.over:
            return
        try:
            marks = _ALGORITHMS[algorithm](problem, alpha, common)
        except _TimeOverError:
            return
        yield Outcome(algorithm, votes(marks[np.ix_(back, back)]))
