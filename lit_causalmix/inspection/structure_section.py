"""The section of the page on causal structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lit_causalmix.inspection import graph_figures
from lit_causalmix.inspection.contents import Structure
from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.pages.html import Section

SHOWN_DAGS = 4
SHOWN_PAIRS = 20


def structure_section(structure: Structure, target: str, pictures: Files) -> Section:
    """Edge probabilities, the strongest edges and a few sampled graphs.

    Args:
        structure: What was learned.
        target: Name of the target.
        pictures: Where its pictures are kept.
    """
    edges, matrix = structure.edges, structure.edges.matrix
    names, at = edges.names, edges.names.index(target)
    whole = len(names) <= graph_figures.MOST_NODES
    heat = pictures.keep("edges.png", graph_figures.edge_heat_map(names, matrix, at))
    parts = [
        html.says(_summary(structure, at)),
        *_runs(structure),
        html.heading("Probability of each directed edge"),
        html.picture(
            heat,
            "Edge probabilities",
            "Rows cause columns. "
            + (
                ""
                if whole
                else f"The {graph_figures.MOST_NODES} columns with the strongest edges of "
                f"{len(names)}. "
            )
            + "A pair whose direction stayed open gives half of its votes to each direction.",
        ),
    ]
    if matrix.any():
        graph = graph_figures.strongest_graph(names, matrix, at)
        parts += [
            html.heading("The strongest edges"),
            html.picture(
                pictures.keep("strongest_edges.png", graph),
                "Graph of the strongest edges",
                "Causes stand above effects; the darker an edge, the more probable; without an "
                f"arrow head its direction is open. The {graph_figures.MOST_EDGES} "
                f"strongest edges and the {graph_figures.TARGET_EDGES} strongest of the target; "
                "columns without one are left out.",
            ),
            _pairs(structure),
        ]
    shown = structure.dags[:SHOWN_DAGS]
    drawn = graph_figures.dag_figure(names, shown, at)
    some = (
        ""
        if len(names) <= graph_figures.WHOLE_GRAPH
        else (
            " Of each graph the target with its parents, children and their other parents is drawn."
        )
    )
    return Section(
        "structure",
        "Causal structure",
        (
            *parts,
            html.heading(f"{len(shown)} of the {len(structure.dags)} sampled graphs"),
            html.picture(
                pictures.keep("sampled_graphs.png", drawn),
                "Sampled graphs",
                "Each synthetic row comes from one of the sampled graphs; where they differ, the "
                f"data leave the structure open.{some}",
            ),
        ),
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


def _runs(structure: Structure) -> Iterator[str]:
    edges = structure.edges
    done = ", ".join(
        f"{name.upper()} {edges.runs[name]} of {edges.planned[name]}" for name in edges.runs
    )
    cut = sum(edges.runs.values()) < sum(edges.planned.values())
    budget = " The budget was spent before the others: fewer runs, coarser probabilities."
    yield html.paragraph(f"Runs of discovery that ended: {done}.{budget if cut else ''}", "note")
    if edges.set_aside:
        yield html.paragraph(
            "Columns that are no nodes, since they follow from others or never vary; they are "
            "filled in afterwards:"
        )
        yield html.bullets(f"{name}: {reason}" for name, reason in edges.set_aside.items())


def _pairs(structure: Structure) -> str:
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
    return html.table(head, rows, numbers=range(2, len(head)))
