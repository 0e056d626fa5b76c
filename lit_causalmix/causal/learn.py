"""Learning structural causal models of a table: columns, edges, graphs, mechanisms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lit_causalmix.causal.columns import CausalColumns
from lit_causalmix.causal.models.fit import fit_scms
from lit_causalmix.causal.models.missingness import calibrate, fit_gaps
from lit_causalmix.causal.models.warp import warp_nodes
from lit_causalmix.causal.settings import ScmSettings
from lit_causalmix.causal.state import ScmState
from lit_causalmix.causal.structure import Nodes, find_graphs
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.schema import Column
from lit_causalmix.tables.table import Table

CALIBRATION_ROWS = 4096
"""Synthetic rows on which the rates of missing cells are set."""


def learn(
    train: Table, spec: ScmSettings, *, seed: int, progress: bool, parts: Path | None = None
) -> ScmState:
    """Learns everything that sampling needs; see `SCMGenerator.fit`, and `Generator.parts`.

    Raises:
        ConfigurationError: If the knowledge does not fit the table.
        GeneratorError: If the table cannot be modelled, with the reason.
    """
    nodes = Nodes.of(train)
    data, prepared, columns = nodes.data, nodes.prepared, train.schema.columns
    graphs = find_graphs(
        nodes,
        nodes.constraints(spec.knowledge).forbid(data.closed_edges()),
        spec.discovery,
        spec.n_dags,
        given=spec.given,
        seed=seed,
        progress=progress,
        parts=parts,
    )
    modelled, warps = warp_nodes(data, list(prepared.nodes), spec.scale)
    fitted = fit_scms(
        modelled,
        graphs.dags,
        mechanism=spec.mechanism,
        noise=spec.noise,
        seed=seed,
        progress=progress,
    )
    state = ScmState(
        settings=json.dumps(spec.to_dict()),
        fingerprint=train.fingerprint(),
        edges=graphs.edges,
        dags=graphs.dags,
        families=fitted.families,
        ensemble=fitted.ensemble,
        nodes=np.asarray(prepared.nodes, dtype=np.int64),
        set_aside=prepared.set_aside,
        low=prepared.values.min(axis=0),
        high=prepared.values.max(axis=0),
        integer=np.array([c.integer or not c.is_numerical for c in columns]),
        missing=prepared.missing if prepared.missing.any() else prepared.missing[:0],
        gaps=(),
        warps=warps,
    )
    return (
        with_gaps(state, prepared, columns, spec, seed) if spec.missing == "conditional" else state
    )


def with_gaps(
    state: ScmState,
    prepared: CausalColumns,
    columns: Sequence[Column],
    spec: ScmSettings,
    seed: int,
) -> ScmState:
    """Replaces the missing cells of training rows by models of what is missing where."""
    gaps = fit_gaps(prepared.values, prepared.missing, columns, prepared.nodes, seed=seed)
    rng = rng_for(seed, "calibrate-gaps")
    rows = state.sample(CALIBRATION_ROWS, rng, rows_per_model=spec.rows_per_model, missing=False)
    gaps = calibrate(gaps, rows, prepared.missing, rng)
    return replace(state, missing=prepared.missing[:0], gaps=gaps)
