"""Where the nodes of a directed graph stand on paper: causes above effects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.dags import acyclic, topological_order

_SWEEPS = 6


def acyclic_part(weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Keeps edges in order of decreasing weight, skipping those that would close a cycle.

    Args:
        weights: float64 (d, d), 0 where there is no edge.

    Returns:
        bool (d, d).
    """
    start, end = np.nonzero(weights)
    order = np.argsort(-weights[start, end], kind="stable")
    return acyclic(zip(start[order], end[order], strict=True), len(weights))


def layered(adjacency: NDArray[np.bool_], width: int) -> NDArray[np.float64]:
    """Positions in layers of bounded width, parents above their children.

    Each node stands in the first layer below its parents that has room (after Coffman and Graham,
    1972); within a layer the nodes are ordered by the mean position of their neighbours.

    Args:
        adjacency: bool (d, d), acyclic, [i, j] is True for i → j.
        width: Most nodes of a layer.

    Returns:
        float64 (d, 2), x centred on 0 in steps of 1, y = 0, −1, −2, … for the layers.
    """
    layers: list[list[int]] = []
    layer_of: dict[int, int] = {}
    for node in topological_order(adjacency):
        parents = np.flatnonzero(adjacency[:, node]).tolist()
        layer = max((layer_of[p] + 1 for p in parents), default=0)
        while layer < len(layers) and len(layers[layer]) >= width:
            layer += 1
        layers.extend([] for _ in range(layer + 1 - len(layers)))
        layers[layer].append(node)
        layer_of[node] = layer
    position = np.zeros((len(adjacency), 2))
    neighbours = adjacency | adjacency.T
    _spread(layers, position)
    for _ in range(_SWEEPS):
        for nodes in layers:
            wished = {
                n: position[neighbours[n], 0].mean() if neighbours[n].any() else position[n, 0]
                for n in nodes
            }
            nodes.sort(key=wished.__getitem__)
        _spread(layers, position)
    return position


def _spread(layers: list[list[int]], position: NDArray[np.float64]) -> None:
    for y, nodes in enumerate(layers):
        for x, node in enumerate(nodes):
            position[node] = x - (len(nodes) - 1) / 2, -y
