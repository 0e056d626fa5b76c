"""Edge probabilities: what many runs of discovery say about each directed edge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.files import state as store

if TYPE_CHECKING:
    import pandas as pd

TAIL, ARROW, CIRCLE = -1, 1, 2


def votes(endpoints: NDArray[np.integer]) -> NDArray[np.float64]:
    """Turns the graph of one run into votes for directed edges.

    `i → j` and `i o→ j` count 1 for (i, j); an edge whose direction stays open (undirected,
    `o–o`, `–o`) and `i ↔ j` count ½ for each direction [our choice]. A pair never gets more than
    one vote in all.

    Args:
        endpoints: causal-learn's integer matrix (d, d): entry [i, j] is the mark at i of the edge
            between i and j (−1 tail, 1 arrow head, 2 circle), 0 without an edge.

    Returns:
        float64 (d, d).

    Example:
        >>> import numpy as np
        >>> arrow = np.array([[0, -1], [1, 0]])  # causal-learn's code of 0 → 1
        >>> votes(arrow).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    adjacent = (endpoints != 0) | (endpoints.T != 0)
    into_column = endpoints.T == ARROW
    directed = into_column & ~into_column.T
    share = np.where(directed, 1.0, np.where(directed.T, 0.0, 0.5))
    return np.where(adjacent, share, 0.0)


@dataclass(frozen=True, eq=False)
class EdgeProbabilities:
    """Votes for each directed edge, summed over the runs of each algorithm.

    Attributes:
        names: The d nodes.
        votes: Per algorithm, float64 (d, d): entry [i, j] sums the votes for i → j.
        runs: Per algorithm, how many runs ended.
        planned: Per algorithm, how many runs were asked for; fewer ended where a budget ran out.
        set_aside: Names of columns that are no nodes, with the reason.
    """

    names: tuple[str, ...]
    votes: dict[str, NDArray[np.float64]]
    runs: dict[str, int]
    planned: dict[str, int]
    set_aside: dict[str, str]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Mean vote over all runs, float64 (d, d); [i, j] + [j, i] is at most 1."""
        total = sum(self.runs.values())
        summed = sum(self.votes.values(), np.zeros((len(self.names),) * 2))
        return summed / max(total, 1)

    def table(self) -> pd.DataFrame:
        """Lists the directed edges that any run voted for, by decreasing probability.

        Returns:
            A row per edge: `cause`, `effect`, `probability`, and per algorithm its mean vote; NaN
            for one of which no run ended.
        """
        import pandas as pd

        matrix = self.matrix
        start, end = np.nonzero(matrix)
        order = np.argsort(-matrix[start, end], kind="stable")
        start, end = start[order], end[order]
        names = np.array(self.names, dtype=object)
        seen = {
            name: found[start, end] / (self.runs[name] or np.nan)
            for name, found in self.votes.items()
        }
        facts = {"cause": names[start], "effect": names[end], "probability": matrix[start, end]}
        return pd.DataFrame(facts | seen)

    def save(self, folder: Path) -> None:
        """Writes `edges.json` and `edges.safetensors` into an existing folder."""
        store.write(folder, "edges", self)

    @classmethod
    def load(cls, folder: Path) -> EdgeProbabilities:
        """Reads what `save` wrote.

        Raises:
            GeneratorError: If a file is missing, cut or altered.
        """
        loaded: EdgeProbabilities = store.read(folder, "edges", {cls.__name__: cls})
        return loaded
