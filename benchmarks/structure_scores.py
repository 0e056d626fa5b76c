"""How close an estimated graph is to a true DAG.

Every method is reduced to the same matrix V, [i, j] between 0 and 1: V_ij + V_ji says whether there
is an edge, their ratio which way it points. A single run has entries 0, ½ and 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cpdag(dag: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the directed edges that all DAGs of the equivalence class share, bool (d, d)."""
    from causallearn.graph.Dag import Dag
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.DAG2CPDAG import dag2cpdag

    nodes = [GraphNode(str(i)) for i in range(len(dag))]
    graph = Dag(nodes)
    for i, j in np.argwhere(dag):
        graph.add_directed_edge(nodes[i], nodes[j])
    marks = dag2cpdag(graph).graph
    compelled: NDArray[np.bool_] = (marks == -1) & (marks.T == 1)
    return compelled


def point_estimate(
    matrix: NDArray[np.float64], threshold: float = 0.5, lean: float = 0.2
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns the skeleton and its directed edges, bool (d, d) each.

    An edge is present where its probability exceeds the threshold (or is 1), and directed where one
    direction has more than `lean` more of it than the other, relatively.
    """
    total = matrix + matrix.T
    present = total > threshold
    directed = present & (matrix - matrix.T > lean * total)
    return present, directed


def scores(
    matrix: NDArray[np.float64], dag: NDArray[np.bool_], compelled: NDArray[np.bool_]
) -> dict[str, float]:
    """Compares V with the truth.

    Returns:
        `f1`: of the skeleton. `orientation`: over the compelled edges of the true CPDAG whose
        adjacency was found: 1 if it points right, ½ if it is open, 0 if it points the wrong way.
        `shd`: pairs whose edge differs from the true CPDAG in any way. `ece`: expected calibration
        error of the edge probabilities over all pairs, ten equal bins.
    """
    present, directed = point_estimate(matrix)
    skeleton = dag | dag.T
    upper = np.triu_indices(len(dag), 1)
    hits = (present & skeleton)[upper].sum()
    f1 = 2 * hits / max(present[upper].sum() + skeleton[upper].sum(), 1)
    found = compelled & present
    points = np.where(directed, 1.0, np.where(directed.T, 0.0, 0.5))[found]
    same = (present == skeleton) & (directed == compelled) & (directed.T == compelled.T)
    probability, real = (matrix + matrix.T)[upper], skeleton[upper]
    bins = np.minimum((probability * 10).astype(int), 9)
    ece = sum(
        abs(probability[bins == b].mean() - real[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    )
    return {
        "f1": float(f1),
        "orientation": float(points.mean()) if len(points) else float("nan"),
        "shd": float((~same)[upper].sum()),
        "ece": float(ece),
    }
