"""Pictures of causal structure: edge probabilities and sampled graphs."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_bytes
from lit_causalmix.inspection.layout import acyclic_part, layered
from lit_causalmix.pages.drawing import (
    EDGE,
    TARGET,
    heat_map,
    labels,
    new_figure,
    png,
    square_side,
    write_values,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

MOST_NODES = 64
"""Nodes that a heat map with names has room for."""
MOST_EDGES = 40
TARGET_EDGES = 8
"""Edges of a picture: the strongest of all, and the strongest of the target."""
WHOLE_GRAPH = 30
"""Nodes up to which a sampled graph is drawn whole."""

_OPEN = 0.1  # directions that differ by less are drawn without an arrow head

Floats = NDArray[np.float64]
Graph = NDArray[np.bool_]


def draw_edges(edges: EdgeProbabilities, folder: str | PathLike[str], target: str) -> list[Path]:
    """Writes `edges.png`, a heat map, and `strongest_edges.png`, a graph, into a folder.

    Args:
        edges: What discovery found.
        folder: An existing folder.
        target: The node that is marked.

    Returns:
        The two files.

    Raises:
        ConfigurationError: If the target is no node.
    """
    if target not in edges.names:
        raise ConfigurationError(
            f"the target to mark must be one of {', '.join(map(repr, edges.names))}, got {target!r}"
        )
    at, found = edges.names.index(target), []
    for name, draw in (("edges", edge_heat_map), ("strongest_edges", strongest_graph)):
        found.append(Path(folder, f"{name}.png"))
        write_bytes(found[-1], draw(edges.names, edges.matrix, at))
    return found


def edge_heat_map(names: Sequence[str], matrix: Floats, target: int) -> bytes:
    """Draws the probability of each directed edge, rows → columns, target last.

    Args:
        names: The d nodes.
        matrix: float64 (d, d), [i, j] for i → j.
        target: Index of the target among them.
    """
    kept = strongest_nodes(matrix, target)
    chosen, d = matrix[np.ix_(kept, kept)], len(kept)
    short = labels(names)
    side = square_side(d)
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    image = heat_map(axes, chosen, [short[k] for k in kept], cmap="Blues", low=0, high=1)
    axes.set_ylabel("cause")
    axes.set_xlabel("effect")
    figure.colorbar(image, ax=axes, shrink=0.7, label="probability of cause → effect")
    if d <= 25:
        write_values(axes, chosen, 0.55)
    return png(figure)


def strongest_nodes(matrix: Floats, target: int) -> list[int]:
    """The nodes with the most probability on their edges, in their order, the target last."""
    weight = matrix.sum(axis=0) + matrix.sum(axis=1)
    others = [k for k in np.argsort(-weight, kind="stable").tolist() if k != target]
    return [*sorted(others[: MOST_NODES - 1]), target]


def strongest_pairs(matrix: Floats, most: int) -> list[tuple[int, int]]:
    """Unordered pairs by decreasing probability of an edge, each turned its likelier way."""
    either = np.triu(matrix + matrix.T, k=1)
    start, end = np.nonzero(either)
    order = np.argsort(-either[start, end], kind="stable")[:most]
    pairs = zip(start[order].tolist(), end[order].tolist(), strict=True)
    return [(i, j) if matrix[i, j] >= matrix[j, i] else (j, i) for i, j in pairs]


def strongest_graph(names: Sequence[str], matrix: Floats, target: int) -> bytes:
    """Draws the strongest edges, and those of the target: each in its likelier direction."""
    weights, heads = np.zeros_like(matrix), np.zeros(matrix.shape, dtype=bool)
    beside = np.zeros_like(matrix)
    beside[target], beside[:, target] = matrix[target], matrix[:, target]
    pairs = {*strongest_pairs(matrix, MOST_EDGES), *strongest_pairs(beside, TARGET_EDGES)}
    for i, j in sorted(pairs):
        weights[i, j] = matrix[i, j] + matrix[j, i]
        heads[i, j] = matrix[i, j] - matrix[j, i] >= _OPEN
    return _graphs([(weights, heads)], names, target, titles=[""], across=7)


def dag_figure(names: Sequence[str], dags: Graph, target: int) -> bytes:
    """Draws sampled graphs side by side; of wide ones the target's Markov blanket only."""
    drawn = [(_around(dag, target).astype(float), dag) for dag in dags]
    titles = [f"graph {k + 1}" for k in range(len(dags))]
    return _graphs(drawn, names, target, titles=titles, across=4)


def _around(dag: Graph, target: int) -> Graph:
    """The edges among a target, its parents, its children and their other parents."""
    if len(dag) <= WHOLE_GRAPH:
        return dag
    children = dag[target]
    blanket = dag[:, target] | children | dag[:, children].any(axis=1)
    blanket[target] = True
    return dag & np.outer(blanket, blanket)


def _graphs(
    graphs: Sequence[tuple[Floats, Graph]],
    names: Sequence[str],
    target: int,
    *,
    titles: Sequence[str],
    across: int,
) -> bytes:
    """Draws one or more graphs, given their weights and which edges have an arrow head."""
    short, placed = labels(names), []
    for weights, heads in graphs:
        nodes = np.flatnonzero(
            (weights + weights.T).any(axis=1) | (np.arange(len(names)) == target)
        )
        inner = weights[np.ix_(nodes, nodes)]
        position = layered(acyclic_part(inner), across)
        placed.append((nodes, inner, heads[np.ix_(nodes, nodes)], position))
    columns = min(2, len(placed))
    rows = -(-len(placed) // columns)
    deepest = max(int(-position[:, 1].min()) for *_, position in placed)
    drawn = []
    figure = new_figure(12, rows * (0.9 + 0.62 * (deepest + 0.5)))
    for k, (nodes, weights, heads, position) in enumerate(placed):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.set_title(titles[k], fontsize=10)
        reach = max(1.5, float(np.abs(position[:, 0]).max()) + 0.6)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-deepest - 0.6, 0.6)
        axes.axis("off")
        at = nodes.tolist().index(target)
        boxes = _draw_nodes(axes, [short[n] for n in nodes.tolist()], position, at)
        drawn.append((axes, weights, heads, boxes, at))
    figure.draw_without_rendering()  # only now the boxes have a size, and edges end at them
    for axes, weights, heads, boxes, at in drawn:
        _draw_edges(axes, weights, heads, boxes, at)
    return png(figure)


def _draw_nodes(axes: Axes, names: Sequence[str], position: Floats, target: int) -> list[Text]:
    """Writes the names, and returns them with their boxes."""
    texts = []
    for k, (name, (x, y)) in enumerate(zip(names, position, strict=True)):
        colour = TARGET if k == target else "#475569"
        text = axes.text(
            x,
            y,
            name,
            zorder=3,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if k == target else "black",
            bbox={
                "boxstyle": "round,pad=0.3",
                "facecolor": colour if k == target else "white",
                "edgecolor": colour,
                "linewidth": 0.8,
            },
        )
        texts.append(text)
    return texts


def _draw_edges(
    axes: Axes, weights: Floats, heads: Graph, nodes: Sequence[Text], target: int
) -> None:
    for i, j in zip(*np.nonzero(weights), strict=True):
        # An edge that passes layers in between is bent, so that it does not hide behind nodes.
        start, end = nodes[i].get_position(), nodes[j].get_position()
        far = abs(start[1] - end[1]) > 1
        axes.annotate(
            "",
            xy=end,
            xytext=start,
            arrowprops={
                "arrowstyle": "-|>" if heads[i, j] else "-",
                "color": TARGET if target in (i, j) else EDGE,
                "alpha": 0.25 + 0.65 * float(weights[i, j]),
                "linewidth": 0.4 + 1.0 * float(weights[i, j]),
                "connectionstyle": f"arc3,rad={0.18 if far else 0.0}",
                "patchA": nodes[i].get_bbox_patch(),
                "patchB": nodes[j].get_bbox_patch(),
                "shrinkA": 0,
                "shrinkB": 1,
            },
            zorder=2,
        )
