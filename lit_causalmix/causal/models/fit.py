"""Structural causal models of a table: DoWhy models with mechanisms that we assign and share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.bars import Bar
from lit_causalmix.causal.graphs.dags import topological_order
from lit_causalmix.causal.models.families import FAMILIES
from lit_causalmix.causal.models.selection import choose_families
from lit_causalmix.causal.sampler.ensemble import Ensemble
from lit_causalmix.quiet import quiet_dowhy
from lit_causalmix.seeding import derived_seed
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.schema import Column

if TYPE_CHECKING:
    import pandas as pd

MAX_CLASSES = 32
"""A categorical node with more categories is kept exogenous: it has no parents [our choice]."""


@dataclass(frozen=True, eq=False)
class NodeData:
    """The rows that mechanisms are fitted to.

    Attributes:
        columns: The d nodes; names are unique.
        values: Coded and imputed, float64 (n, d).
        missing: bool (n, d), imputed cells: they count as a parent's value, never as a child's.
    """

    columns: tuple[Column, ...]
    values: NDArray[np.float64]
    missing: NDArray[np.bool_]

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    def cardinality(self, node: int) -> int:
        """Returns the number of codes of a node, 0 for a numerical one."""
        if self.columns[node].is_numerical:
            return 0
        return max(len(self.columns[node].categories), int(self.values[:, node].max()) + 1)

    def closed_edges(self) -> dict[tuple[str, str], str]:
        """Returns the edges into nodes with too many categories for a classifier, and why."""
        return {
            (cause, effect): f"{effect!r} has {k} categories and a node with causes at most "
            f"{MAX_CLASSES}"
            for j, effect in enumerate(self.names)
            if (k := self.cardinality(j)) > MAX_CLASSES
            for cause in self.names
            if cause != effect
        }

    def parents(self, adjacency: NDArray[np.bool_], node: int) -> tuple[int, ...]:
        """Returns the parents of a node in the order of their names, as DoWhy hands them over."""
        found = np.flatnonzero(adjacency[:, node]).tolist()
        return tuple(sorted(found, key=lambda j: self.columns[j].name))

    def frame(self, target: int | None = None) -> pd.DataFrame:
        """Returns the rows for DoWhy, labels as strings; imputed cells of the target are NaN."""
        import pandas as pd

        from lit_causalmix.causal.models.dowhy import labels

        data: dict[str, Any] = {}
        for j, column in enumerate(self.columns):
            cells = self.values[:, j]
            if j == target:
                cells = np.where(self.missing[:, j], np.nan, cells)
            data[column.name] = cells if column.is_numerical else labels(cells)
        return pd.DataFrame(data)


@dataclass(frozen=True, eq=False)
class FittedScms:
    """The fitted models, as DoWhy's and compiled.

    Attributes:
        models: K models of type `dowhy.gcm.StructuralCausalModel`, node names as in the table.
        ensemble: The same models as arrays; row order and node order as in `NodeData`.
        families: The family chosen for each node that has parents in any graph.
    """

    models: tuple[Any, ...]
    ensemble: Ensemble
    families: dict[str, str]


def fit_scms(
    data: NodeData,
    dags: NDArray[np.bool_],
    *,
    mechanism: str,
    seed: int,
    noise: str = "residual",
    progress: bool = True,
) -> FittedScms:
    """Fits one structural causal model per graph, each (node, parents) pair once.

    A root gets its empirical distribution, a numerical node additive noise around a regressor, any
    other node a classifier. With `mechanism="auto"` the family of a node is chosen by
    cross-validation on all its parents over all graphs together [our choice: one choice per node].

    Args:
        data: The training rows.
        dags: Adjacency, bool (K, d, d), [k, i, j] is True for i → j.
        mechanism: "auto", or the name of a family.
        seed: Source of the folds and of DoWhy's randomness.
        noise: The noise of numerical nodes with parents, out of `noise.NOISES`.
        progress: Whether to draw a progress bar on stderr.
    """
    import networkx as nx
    from dowhy import gcm
    from dowhy.gcm.causal_models import PARENTS_DURING_FIT
    from dowhy.gcm.fitting_sampling import fit_causal_model_of_target
    from dowhy.graph import get_ordered_predecessors

    k, d = len(dags), len(data.columns)
    shared: dict[tuple[int, tuple[int, ...]], Any] = {}
    complete = data.frame()
    models = []
    with (
        quiet_dowhy(derived_seed(seed, "dowhy")),
        Bar(total=(k + 1) * d, desc="fitting SCMs", disable=not progress) as bar,
    ):
        families = _families(data, dags, mechanism, seed, bar)
        for adjacency in dags:
            topological_order(adjacency)
            # Mechanisms live on the graph itself, so each model needs its own; the order of nodes
            # changes what DoWhy samples, so it is always that of the names.
            graph = nx.DiGraph()
            graph.add_nodes_from(sorted(data.names))
            edges = np.argwhere(adjacency).tolist()
            graph.add_edges_from((data.names[i], data.names[j]) for i, j in edges)
            model = gcm.StructuralCausalModel(graph)
            for node in range(d):
                key = (node, data.parents(adjacency, node))
                name, fitted = data.names[node], key in shared
                if not fitted:
                    shared[key] = _mechanism(data, *key, families, noise)
                model.set_causal_mechanism(name, shared[key])
                if fitted:
                    graph.nodes[name][PARENTS_DURING_FIT] = get_ordered_predecessors(graph, name)
                else:
                    frame = data.frame(node) if data.missing[:, node].any() else complete
                    fit_causal_model_of_target(model, name, frame)
                bar.update()
            models.append(model)
    return FittedScms(tuple(models), _compile(data, dags, shared), families)


def _families(
    data: NodeData, dags: NDArray[np.bool_], mechanism: str, seed: int, bar: Any
) -> dict[str, str]:
    """Names the family of each node that has parents, and moves the bar by one per node."""
    union: NDArray[np.bool_] = np.logical_or.reduce(dags, axis=0)
    nodes = range(len(data.columns))
    parents = {j: own for j in nodes if (own := data.parents(union, j))}
    sizes = [data.cardinality(j) for j in nodes]
    if mechanism == "auto":
        rng = functools.partial(rng_for, seed, "family")
        found = choose_families(data.values, data.missing, sizes, parents, rng, bar.update)
    else:
        takes = FAMILIES[mechanism].takes
        found = {
            j: mechanism if takes([sizes[p] for p in own], sizes[j]) else "linear"
            for j, own in parents.items()
        }
    bar.update(len(data.columns) - bar.n)
    return {data.columns[j].name: family for j, family in found.items()}


def _mechanism(
    data: NodeData, node: int, parents: Sequence[int], families: dict[str, str], noise: str
) -> Any:
    from lit_causalmix.causal.models.dowhy import MECHANISMS, CodedClassifier, CodedRoot

    if not parents:
        return CodedRoot()
    column = data.columns[node]
    family = FAMILIES[families[column.name]]
    cardinalities = [data.cardinality(p) for p in parents]
    if column.is_numerical:
        create = functools.partial(family.regressor, cardinalities)
        return MECHANISMS[noise](create, column.integer)
    return CodedClassifier(functools.partial(family.classifier, cardinalities))


def _compile(
    data: NodeData, dags: NDArray[np.bool_], shared: dict[tuple[int, tuple[int, ...]], Any]
) -> Ensemble:
    numbers = {key: number for number, key in enumerate(shared)}
    nodes = range(len(data.columns))
    return Ensemble(
        mechanisms=tuple(m.compile(parents) for (_, parents), m in shared.items()),
        orders=np.array([topological_order(a) for a in dags], dtype=np.int64),
        choices=np.array(
            [[numbers[j, data.parents(a, j)] for j in nodes] for a in dags], dtype=np.int64
        ),
    )
