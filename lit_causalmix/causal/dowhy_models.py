"""Rows from any fitted DoWhy model: compiled where all its mechanisms can be, else by DoWhy.

Import this module lazily: it imports DoWhy.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import networkx as nx
import numpy as np
from dowhy import gcm
from dowhy.graph import get_ordered_predecessors
from numpy.typing import NDArray

from lit_causalmix.causal.dowhy_mechanisms import codes
from lit_causalmix.causal.global_state import quiet_dowhy
from lit_causalmix.causal.mechanisms import Mechanism
from lit_causalmix.causal.sampler import CompiledScm

logger = logging.getLogger(__name__)


class RowSampler(Protocol):
    """One structural causal model that rows can be drawn from."""

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows, float64 (n, d)."""


@runtime_checkable
class _Compilable(Protocol):
    def compile(self, nodes: Sequence[int]) -> Mechanism: ...


@dataclass(frozen=True, eq=False)
class DoWhyScm:
    """A fitted model that DoWhy itself draws from: slow, but it takes any mechanism.

    Attributes:
        model: A fitted `dowhy.gcm.StructuralCausalModel`; categories are labels as in
            `dowhy_mechanisms.labels`.
        names: The d nodes, in the order of the columns.
    """

    model: Any
    names: tuple[str, ...]

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows, float64 (n, d); DoWhy's generator is seeded from `rng`, and restored."""
        if n == 0:  # which DoWhy's classifiers refuse
            return np.empty((0, len(self.names)))
        with quiet_dowhy(int(rng.integers(2**31 - 1))):
            frame = gcm.draw_samples(self.model, n)
        return np.column_stack([codes(frame[name].to_numpy(object)) for name in self.names])


def row_sampler(model: Any, names: Sequence[str]) -> RowSampler:
    """Compiles a fitted model, or falls back to DoWhy's own sampling with a warning.

    Use it where a mechanism of a model in `scm.FittedScms` was replaced by one of another kind.

    Args:
        model: A fitted `dowhy.gcm.StructuralCausalModel`, categories as in
            `dowhy_mechanisms.labels`.
        names: The nodes, in the order that the columns of the rows shall have.
    """
    at = {name: j for j, name in enumerate(names)}
    found = {name: model.causal_mechanism(name) for name in names}
    if foreign := [name for name, m in found.items() if not isinstance(m, _Compilable)]:
        logger.warning(
            "DoWhy itself draws the rows, which is slower: there is no compiled form of the "
            "mechanism of %s",
            ", ".join(f"{name!r} ({type(found[name]).__name__})" for name in foreign),
        )
        return DoWhyScm(model, tuple(names))
    mechanisms = []
    for name, mechanism in found.items():
        parents = [at[p] for p in get_ordered_predecessors(model.graph, name)]
        mechanisms.append(mechanism.compile(parents))
    order = tuple(at[name] for name in nx.lexicographical_topological_sort(model.graph))
    return CompiledScm(order, tuple(mechanisms))
