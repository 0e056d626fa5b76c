"""Counterfactual rows of a fitted table: what real rows would have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import Reason, impute
from lit_causalmix.causal.sampler.counterfactual import counterfactuals
from lit_causalmix.causal.state import ScmState
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class RealRows:
    """Real rows as fitted models see them.

    Attributes:
        values: Coded, float64 (n, C + 1), NaN where a cell is missing.
        complete: The same, missing cells filled as for the fit; those of a column without any
            training cell stay missing.
        nodes: float64 (n, d), on the scale of the models.
    """

    values: NDArray[np.float64]
    complete: NDArray[np.float64]
    nodes: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], state: ScmState, train: Table) -> RealRows:
        """Prepares coded rows, float64 (n, C + 1), as the rows that were learned from were."""
        pairs = zip(train.values.T, train.schema.columns, strict=True)
        fills = np.array([impute(np.append(cells, np.nan), column)[-1] for cells, column in pairs])
        for entry in state.set_aside:
            if entry.reason is Reason.MISSING:
                fills[entry.column] = entry.offset
        complete = np.where(np.isnan(values), fills, values)
        scale = {warp.column: warp for warp in state.warps}
        nodes = [
            scale[j].scores(complete[:, j]) if j in scale else complete[:, j]
            for j in state.nodes.tolist()
        ]
        return cls(values, complete, np.column_stack(nodes))

    def take(self, rows: NDArray[np.intp]) -> RealRows:
        """The rows at some positions, again and again where a position stands more than once."""
        return RealRows(self.values[rows], self.complete[rows], self.nodes[rows])


def counterfactual_rows(
    state: ScmState,
    real: RealRows,
    fresh: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    rows_per_model: int,
    missing: bool,
    held: Mapping[int, float] | None = None,
) -> NDArray[np.float64]:
    """Draws what rows would have been, float64 (n, C + 1).

    What nothing acts on stays as it is, to the bit: a node with its own noise and unchanged causes,
    and a column that follows from such nodes.

    Args:
        state: What was learned.
        real: The rows.
        fresh: bool (n, d), nodes whose noise is drawn anew.
        rng: Source of all randomness.
        rows_per_model: See `Ensemble.sample`.
        missing: Whether the gaps of the rows stay gaps; a held cell is none.
        held: Value of each column that is held, whatever its causes: the do-operator.
    """
    held = held or {}
    acting = state.do(held) if held else state
    forced = fresh | np.isin(state.nodes, list(held))
    nodes = counterfactuals(
        acting.ensemble, state.dags, real.nodes, forced, rng, rows_per_model=rows_per_model
    )
    moved = np.zeros(real.values.shape, dtype=bool)
    moved[:, state.nodes] = nodes != real.nodes
    values = acting.rows_of(nodes)
    for entry in state.set_aside:
        moved[:, entry.column] = moved[:, list(entry.sources)].any(axis=1)
    values = np.where(moved, values, real.complete)
    if missing:
        values[np.isnan(real.values)] = np.nan
    for column, value in held.items():
        values[:, column] = value
    return values
