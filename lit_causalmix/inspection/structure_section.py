"""The section of the page on causal structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lit_causalmix.inspection import graph_figures
from lit_causalmix.inspection.contents import Structure
from lit_causalmix.pages.content import (
    Bullets,
    Element,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)

SHOWN_DAGS = 4
SHOWN_PAIRS = 20


def structure_section(structure: Structure, target: str) -> Section:
    """Edge probabilities, the strongest edges and a few sampled graphs.

    Args:
        structure: What was learned.
        target: Name of the target.
    """
    at = structure.edges.names.index(target)
    parts = [
        Part([Paragraph(_summary(structure, at), "says"), *_runs(structure)]),
        Part([_heat_map(structure, at)], "Probability of each directed edge"),
    ]
    if structure.edges.matrix.any():
        parts.append(Part([_graph(structure, at), _pairs(structure)], "The strongest edges"))
    shown = structure.dags[:SHOWN_DAGS]
    title = f"{len(shown)} of the {len(structure.dags)} sampled graphs"
    parts.append(Part([_sampled(structure, at)], title))
    return Section("structure", "Causal structure", parts)


def _heat_map(structure: Structure, target: int) -> Picture:
    names, most = structure.edges.names, graph_figures.MOST_NODES
    some = f"The {most} columns with the strongest edges of {len(names)}. "
    return Picture(
        "edges",
        graph_figures.edge_heat_map(names, structure.edges.matrix, target),
        "Heat map of how probable an edge from each column to each other one is",
        f"Rows cause columns. {some if len(names) > most else ''}A pair whose direction stayed "
        "open gives half of its votes to each direction.",
    )


def _graph(structure: Structure, target: int) -> Picture:
    edges = structure.edges
    return Picture(
        "strongest_edges",
        graph_figures.strongest_graph(edges.names, edges.matrix, target),
        "Graph of the strongest edges between columns",
        "Causes stand above effects; the darker an edge, the more probable; without an arrow head "
        f"its direction is open. The {graph_figures.MOST_EDGES} strongest edges and the "
        f"{graph_figures.TARGET_EDGES} strongest of the target; columns without one are left out.",
    )


def _sampled(structure: Structure, target: int) -> Picture:
    names = structure.edges.names
    some = " Of each graph the target with its parents, children and their other parents is drawn."
    return Picture(
        "sampled_graphs",
        graph_figures.dag_figure(names, structure.dags[:SHOWN_DAGS], target),
        "The sampled graphs side by side, an arrow from cause to effect",
        "Each synthetic row comes from one of the sampled graphs; where they differ, the data "
        f"leave the structure open.{some if len(names) > graph_figures.WHOLE_GRAPH else ''}",
    )


def _summary(structure: Structure, target: int) -> str:
    matrix = structure.edges.matrix
    either = np.triu(matrix + matrix.T, k=1)
    sure, open_ = int((either >= 0.9).sum()), int(((either > 0.1) & (either < 0.9)).sum())
    beside = (matrix[target] + matrix[:, target]) >= 0.5
    names = [structure.edges.names[k] for k in np.flatnonzero(beside)]
    near = f"joined to {', '.join(names)}" if names else "joined to no column with probability 0.5"
    many = len(names) > 8
    return (
        f"{sure} pairs of columns are joined in at least 90 % of the runs, {open_} in some of "
        f"them. The target is {f'joined to {len(names)} columns' if many else near}. An edge is "
        "what the tests found in these few rows, not a proof of cause."
    )


def _runs(structure: Structure) -> Iterator[Element]:
    edges = structure.edges
    done = ", ".join(
        f"{name.upper()} {edges.runs[name]} of {edges.planned[name]}" for name in edges.runs
    )
    cut = sum(edges.runs.values()) < sum(edges.planned.values())
    budget = " The budget was spent before the others: fewer runs, coarser probabilities."
    yield Paragraph(f"Runs of discovery that ended: {done}.{budget if cut else ''}", "note")
    if edges.set_aside:
        yield Paragraph(
            "Columns that are no nodes, since they follow from others or never vary; they are "
            "filled in afterwards:"
        )
        yield Bullets([f"{name}: {reason}" for name, reason in edges.set_aside.items()])


def _pairs(structure: Structure) -> Table:
    edges, matrix = structure.edges, structure.edges.matrix
    rows = []
    for i, j in graph_figures.strongest_pairs(matrix, SHOWN_PAIRS):
        seen = [
            f"{votes[i, j] / runs:.2f} / {votes[j, i] / runs:.2f}"
            if (runs := edges.runs[a])
            else "–"
            for a, votes in edges.votes.items()
        ]
        drawn = [int(structure.dags[:, a, b].sum()) for a, b in ((i, j), (j, i))]
        rows.append(
            (
                edges.names[i],
                edges.names[j],
                f"{matrix[i, j]:.2f} / {matrix[j, i]:.2f}",
                *seen,
                f"{drawn[0]} / {drawn[1]}",
            )
        )
    head = (
        "A",
        "B",
        "A → B / B → A",
        *(f"{name.upper()} alone" for name in edges.votes),
        f"in {len(structure.dags)} graphs",
    )
    return Table(head, rows, numbers=range(2, len(head)))
