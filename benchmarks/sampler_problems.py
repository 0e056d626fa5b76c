"""Tables, graphs and reference samplers for `sampler.py`.

Shape legend: n = rows, d = columns, K = graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import torch
from dowhy import gcm
from dowhy.gcm import ml
from numpy.typing import NDArray

from lit_causalmix.causal.columns import prepare_columns
from lit_causalmix.causal.models.fit import NodeData
from lit_causalmix.causal.sampler.ensemble import CompiledScm
from lit_causalmix.causal.sampler.mechanisms import Additive, Root
from lit_causalmix.causal.sampler.scores import LinearScores
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.schema import Column, ColumnKind

N_DAGS = 8
STOCK = {
    "linear": (ml.create_linear_regressor, ml.create_logistic_regression_classifier),
    "boosting": (
        ml.create_hist_gradient_boost_regressor,
        ml.create_hist_gradient_boost_classifier,
    ),
    "forest": (ml.create_random_forest_regressor, ml.create_random_forest_classifier),
}
Problem = tuple[NodeData, NDArray[np.bool_]]
"""Rows, and K graphs over their columns, bool (K, d, d)."""


def german_credit() -> Problem:
    """The training rows, and graphs that the generator finds in them."""
    train = load_splits(TableSpec("german_credit"), SplitSpec()).train
    generator = SCMGenerator(n_dags=N_DAGS, n_resamples=2, mechanism="linear")
    generator.fit(train, seed=0, progress=False)
    nodes, prepared = generator.state.nodes.tolist(), prepare_columns(train)
    columns = tuple(train.schema.columns[j] for j in nodes)
    return NodeData(
        columns, prepared.values[:, nodes], prepared.missing[:, nodes]
    ), generator.state.dags


def generated(d: int, n: int = 1000) -> Problem:
    """A numerical table from a random graph with up to three parents per node.

    The K graphs are that one, with one edge in ten left out at random in all but the first.
    """
    random = rng(0, "generated", d)
    graph = np.zeros((d, d), dtype=bool)
    values = random.normal(size=(n, d))
    for j in range(1, d):
        parents = random.choice(j, size=min(j, int(random.integers(4))), replace=False)
        graph[parents, j] = True
        shape = np.tanh(values[:, parents]) + 0.5 * values[:, parents]
        values[:, j] += shape @ random.normal(size=len(parents))
        values[:, j] /= values[:, j].std()
    columns = tuple(Column(f"c{j:02d}", ColumnKind.NUMERICAL) for j in range(d))
    dags = graph & (random.random((N_DAGS, d, d)) < 0.9)
    dags[0] = graph
    return NodeData(columns, values, np.zeros(values.shape, dtype=bool)), dags


def stock_dowhy(data: NodeData, dag: NDArray[np.bool_], mechanism: str) -> Any:
    """The same graph with the mechanisms that DoWhy ships."""
    regressor, classifier = STOCK[mechanism]
    graph = nx.DiGraph()
    graph.add_nodes_from(data.names)
    graph.add_edges_from((data.names[i], data.names[j]) for i, j in np.argwhere(dag).tolist())
    model = gcm.StructuralCausalModel(graph)
    for j, column in enumerate(data.columns):
        made: Any = gcm.EmpiricalDistribution()
        if dag[:, j].any():
            numerical = column.is_numerical
            made = (
                gcm.AdditiveNoiseModel(regressor())
                if numerical
                else gcm.ClassifierFCM(classifier())
            )
        model.set_causal_mechanism(column.name, made)
    gcm.fit(model, data.frame())
    return model


def bare_torch(model: CompiledScm, dag: NDArray[np.bool_]) -> Callable[[int], torch.Tensor] | None:
    """A loop over levels of the linear model; None where a node is not linear and numerical."""
    d = len(dag)
    weights = torch.zeros(d, d)
    intercept = torch.zeros(d)
    pools = []
    for j, m in enumerate(model.mechanisms):
        if isinstance(m, Root):
            pools.append(m.pool)
        elif isinstance(m, Additive) and isinstance(m.scores, LinearScores):
            pools.append(m.residuals)
            weights[torch.tensor(m.scores.numerical), j] = torch.tensor(
                m.scores.weights[:, 0]
            ).float()
            intercept[j] = float(m.scores.intercept[0])
        else:
            return None
    level = np.zeros(d, dtype=int)
    for j in model.order:
        level[j] = 1 + level[dag[:, j]].max(initial=-1)
    levels = [torch.from_numpy(np.flatnonzero(level == v)) for v in range(1, level.max() + 1)]
    steps = [(nodes, weights[:, nodes]) for nodes in levels]
    pool = torch.from_numpy(np.stack(pools, axis=1)).float()

    def draw(n: int) -> torch.Tensor:
        values = pool.gather(0, torch.randint(len(pool), (n, d))) + intercept
        for nodes, block in steps:
            values[:, nodes] += values @ block
        return values

    return draw
