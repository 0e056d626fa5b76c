"""From a training table to the graphs over its columns: discovered, or given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import CausalColumns, prepare_columns
from lit_causalmix.causal.graphs.constraints import Constraints
from lit_causalmix.causal.graphs.dags import sample_dags
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.models.fit import NodeData
from lit_causalmix.causal.search.discovery import DiscoverySettings, discover
from lit_causalmix.causal.search.encoding import encode_for_discovery
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_json
from lit_causalmix.files.entries import load_or_make
from lit_causalmix.files.fingerprint import code_fingerprint
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.table import Table

LIBRARIES = ("numpy", "scipy", "scikit-learn", "causal-learn")
"""Distributions that a search computes with."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """The columns of a table that are nodes of its graphs.

    Attributes:
        train: The training split.
        prepared: Its rows, imputed, and which columns are nodes.
        data: The rows of the nodes.
    """

    train: Table
    prepared: CausalColumns
    data: NodeData

    @classmethod
    def of(cls, train: Table) -> Nodes:
        """Chooses the nodes.

        Raises:
            GeneratorError: If the table cannot be modelled, with the reason.
        """
        prepared = prepare_columns(train)
        nodes = list(prepared.nodes)
        data = NodeData(
            tuple(train.schema.columns[j] for j in nodes),
            prepared.values[:, nodes],
            prepared.missing[:, nodes],
        )
        return cls(train, prepared, data)

    @property
    def set_aside(self) -> dict[str, str]:
        """Names of the columns that are no nodes, with the reason."""
        columns = self.train.schema.columns
        return {columns[s.column].name: s.reason.value for s in self.prepared.set_aside}

    def constraints(self, knowledge: Knowledge) -> Constraints:
        """Returns what is known of the edges between nodes.

        Raises:
            ConfigurationError: If the knowledge does not fit the table.
        """
        schema = self.train.schema
        names = [c.name for c in schema.columns]
        return knowledge.node_constraints(names, schema.target.name, self.set_aside)


@dataclass(frozen=True, eq=False)
class Graphs:
    """An ensemble of graphs and the edge probabilities behind it.

    Attributes:
        edges: Probability of each edge.
        dags: bool (K, d, d) over the nodes, [k, i, j] is True for i → j.
    """

    edges: EdgeProbabilities
    dags: NDArray[np.bool_]


def known_edges(edges: Sequence[Sequence[str]] | None, knowledge: Knowledge | None) -> Knowledge:
    """Returns what is known of a graph: its edges where it is given, else the knowledge about it.

    Args:
        edges: Pairs [cause, effect], the whole graph; None has it searched for.
        knowledge: What every graph that is found has to keep.

    Raises:
        ConfigurationError: If both are given, or the edges contradict themselves.
    """
    if edges is None:
        return knowledge or Knowledge()
    if knowledge is not None:
        raise ConfigurationError(
            "edges are the whole graph, so that knowledge has nothing to add: set one of them"
        )
    return Knowledge(required=[list(edge) for edge in edges])


def find_graphs(
    nodes: Nodes,
    constraints: Constraints,
    discovery: DiscoverySettings,
    n_dags: int,
    *,
    given: bool,
    seed: int,
    progress: bool,
    parts: Path | None = None,
) -> Graphs:
    """Searches for structure and draws graphs that keep the constraints, unless one is given.

    Args:
        nodes: The columns.
        constraints: What is known of the edges.
        discovery: How to search.
        n_dags: Graphs to draw.
        given: Whether the required edges are the whole graph, so that there is nothing to find.
        seed: Source of all randomness.
        progress: Whether to draw a progress bar on stderr.
        parts: Folder that keeps the edges for other generators that search alike; None searches.

    Raises:
        GeneratorError: If a graph breaks a constraint.
    """
    names = nodes.data.names
    if given:
        return _given_graph(nodes, constraints)
    search = partial(
        discover,
        encode_for_discovery(nodes.data.values, nodes.data.columns),
        names,
        discovery,
        seed=seed,
        constraints=constraints,
        set_aside=nodes.set_aside,
        progress=progress,
    )
    if parts is None:
        edges = search()
    else:
        entry = parts / f"edges-{_search_fingerprint(nodes, constraints, discovery, seed)}"
        edges = load_or_make(
            entry, load=EdgeProbabilities.load, make=search, save=EdgeProbabilities.save
        )
    dags = sample_dags(
        constraints.apply(edges.matrix, names),
        n_dags,
        rng_for(seed, "dags"),
        constraints.matrices(names)[0],
    )
    constraints.check(dags, names)
    return Graphs(edges, dags)


def _search_fingerprint(
    nodes: Nodes, constraints: Constraints, discovery: DiscoverySettings, seed: int
) -> str:
    """The first 128 bits of the SHA-256 over everything that a search depends on."""
    known = constraints if discovery.heeds_constraints else Constraints()
    facts = {
        "table": nodes.train.fingerprint(),
        "constraints": [m.tolist() for m in known.matrices(nodes.data.names)],
        "discovery": discovery.to_dict(),
        "seed": seed,
        "code": code_fingerprint(LIBRARIES),
    }
    return of_json(facts)[:32]


def _given_graph(nodes: Nodes, constraints: Constraints) -> Graphs:
    """Returns the one graph that holds the required edges and no other."""
    names = nodes.data.names
    required = constraints.matrices(names)[0]
    edges = EdgeProbabilities(
        names=tuple(names),
        votes={"given": required.astype(np.float64)},
        runs={"given": 1},
        planned={"given": 1},
        set_aside=nodes.set_aside,
    )
    return Graphs(edges, required[None])
