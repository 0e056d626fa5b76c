"""Required and forbidden edges: applied to edge probabilities, checked on every graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, GeneratorError

Edge = tuple[str, str]
"""Cause and effect."""


def arrow(edge: Edge) -> str:
    """Returns an edge in words."""
    return f"{edge[0]!r} → {edge[1]!r}"


@dataclass(frozen=True)
class Constraints:
    """Edges that every graph, or no graph, must hold; never the same edge.

    Attributes:
        required: Edges that must be there; they form no cycle.
        forbidden: Edges that must not be there, and why, in words.

    Raises:
        ConfigurationError: If no graph can keep them; the edge or the cycle is named.
    """

    required: tuple[Edge, ...] = ()
    forbidden: Mapping[Edge, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Without required edges the empty graph would do, so only these can make a set infeasible.
        for edge in self.required:
            if edge in self.forbidden:
                raise ConfigurationError(
                    f"knowledge: {arrow(edge)} is required, but {self.forbidden[edge]}: remove one "
                    "of the two"
                )
        if cycle := find_cycle(self.required):
            path = " → ".join(map(repr, (*cycle, cycle[0])))
            raise ConfigurationError(
                f"knowledge: the required edges form a cycle, {path}: remove one of them"
            )

    def forbid(self, edges: Mapping[Edge, str]) -> Constraints:
        """Returns the constraints with more edges forbidden; the first reason of each is kept."""
        return replace(self, forbidden={**edges, **self.forbidden})

    def among(self, names: Collection[str]) -> Constraints:
        """Returns the constraints on edges between some columns alone."""
        return Constraints(
            tuple(e for e in self.required if e[0] in names and e[1] in names),
            {e: why for e, why in self.forbidden.items() if e[0] in names and e[1] in names},
        )

    def matrices(self, names: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Returns required and forbidden edges, bool (d, d) each, [i, j] is True for i → j.

        Args:
            names: The d nodes, all that the constraints name.
        """
        at = {name: j for j, name in enumerate(names)}
        result = []
        for edges in (self.required, self.forbidden):
            matrix = np.zeros((len(names), len(names)), dtype=bool)
            for cause, effect in edges:
                matrix[at[cause], at[effect]] = True
            result.append(matrix)
        return result[0], result[1]

    def apply(
        self, probabilities: NDArray[np.float64], names: Sequence[str]
    ) -> NDArray[np.float64]:
        """Sets required edges to 1 and forbidden ones to 0, float64 (d, d).

        Discovery votes for a dependence first and for its direction second; so where one direction
        is forbidden, its votes go to the other [our choice]. Where both are, they are dropped.
        """
        required, forbidden = self.matrices(names)
        turned = probabilities + np.where(forbidden.T, probabilities.T, 0.0)
        turned[forbidden | required.T] = 0.0
        turned[required] = 1.0
        return turned

    def check(self, dags: NDArray[np.bool_], names: Sequence[str]) -> None:
        """Checks sampled graphs, bool (K, d, d).

        Raises:
            GeneratorError: Naming the first edge that breaks a constraint.
        """
        required, forbidden = self.matrices(names)
        for k, adjacency in enumerate(dags):
            for i, j in np.argwhere(required & ~adjacency).tolist():
                raise GeneratorError(
                    f"graph {k} lacks the required edge {arrow((names[i], names[j]))}"
                )
            for i, j in np.argwhere(forbidden & adjacency).tolist():
                edge = names[i], names[j]
                raise GeneratorError(
                    f"graph {k} holds the forbidden edge {arrow(edge)}: {self.forbidden[edge]}"
                )


def find_cycle(edges: Sequence[Edge]) -> list[str]:
    """Returns the nodes of one directed cycle in order, or nothing where there is none."""
    import networkx as nx

    try:
        return [cause for cause, _ in nx.find_cycle(nx.DiGraph(list(edges)))]
    except nx.NetworkXNoCycle:
        return []
