"""What fitting structural causal models to a table leaves behind, and sampling from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import SetAside
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.models.missingness import Gap, draw_gaps
from lit_causalmix.causal.models.warp import Warp
from lit_causalmix.causal.sampler import mechanisms, noise, scores
from lit_causalmix.causal.sampler.ensemble import Ensemble, hold


@dataclass(frozen=True, eq=False)
class ScmState:
    """Everything that `fit` learns, and that is saved.

    Attributes:
        settings: Of the generator that was fitted, as JSON.
        fingerprint: Of the training table.
        edges: What discovery found.
        dags: bool (K, d, d) over the nodes, [k, i, j] is True for i → j.
        families: The family of mechanisms of each node with parents.
        ensemble: The compiled models.
        nodes: int64 (d,), column of each node.
        set_aside: The other columns.
        low: float64 (C + 1,), smallest training value of each column.
        high: float64 (C + 1,), largest.
        integer: bool (C + 1,), whether a column holds whole numbers only.
        missing: bool (m, C + 1), missing cells of the training rows; no rows where `gaps` are
            used instead.
        gaps: Models of what is missing where.
        warps: Nodes that the models hold as normal scores.
    """

    settings: str
    fingerprint: str
    edges: EdgeProbabilities
    dags: NDArray[np.bool_]
    families: dict[str, str]
    ensemble: Ensemble
    nodes: NDArray[np.int64]
    set_aside: tuple[SetAside, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    integer: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    gaps: tuple[Gap, ...]
    warps: tuple[Warp, ...]

    def do(self, held: Mapping[int, float]) -> ScmState:
        """Returns the state with nodes held at values, by column: the do-operator.

        A held cell is never missing.
        """
        node = {column: j for j, column in enumerate(self.nodes.tolist())}
        missing = self.missing.copy()
        missing[:, list(held)] = False
        inner, warps = dict(held), list(self.warps)
        for k, warp in enumerate(warps):
            if warp.column in held:
                value = np.array([held[warp.column]])
                inner[warp.column] = float(warp.scores(value)[0])
                warps[k] = Warp(warp.column, value, integer=False)  # every score leads back to it
        ensemble = hold(self.ensemble, {node[column]: value for column, value in inner.items()})
        gaps = tuple(
            replace(g, columns=np.setdiff1d(g.columns, np.array(list(held), dtype=np.int64)))
            for g in self.gaps
        )
        return replace(self, ensemble=ensemble, missing=missing, gaps=gaps, warps=tuple(warps))

    def sample(
        self, n: int, rng: np.random.Generator, *, rows_per_model: int, missing: bool
    ) -> NDArray[np.float64]:
        """Draws a coded matrix, float64 (n, C + 1).

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            rows_per_model: See `Ensemble.sample`.
            missing: Whether cells are missing: where `gaps` say so, or else those of a random
                training row, which keeps the rate of each column and what is missing together
                [our choice].
        """
        values = self.rows_of(self.ensemble.sample(n, rng, rows_per_model=rows_per_model))
        if missing and self.gaps:
            values[draw_gaps(self.gaps, values, rng)] = np.nan
        elif missing and len(self.missing):
            values[self.missing[rng.integers(len(self.missing), size=n)]] = np.nan
        return values

    def rows_of(self, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turns nodes on the scale of the models, float64 (n, d), into complete coded rows."""
        values = np.empty((len(nodes), len(self.low)))
        values[:, self.nodes] = nodes
        for warp in self.warps:
            values[:, warp.column] = warp.values(values[:, warp.column])
        for entry in self.set_aside:
            j, cells = entry.column, entry.compute(values)
            if self.integer[j]:
                cells = np.rint(cells)
            values[:, j] = np.clip(cells, self.low[j], self.high[j])
        return values


CLASSES: dict[str, type] = {
    c.__name__: c
    for c in (
        ScmState,
        EdgeProbabilities,
        SetAside,
        Ensemble,
        Gap,
        Warp,
        mechanisms.Root,
        mechanisms.Additive,
        mechanisms.Classifier,
        noise.ScaledAdditive,
        scores.LinearScores,
        scores.BoostedScores,
        scores.ForestScores,
        scores.TableScores,
        scores.CategoryTable,
        scores.Bins,
    )
}
"""Classes that a saved state is made of."""
