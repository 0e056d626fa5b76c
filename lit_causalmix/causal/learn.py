"""Learning structural causal models of a table: columns, edges, graphs, mechanisms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lit_causalmix.causal.columns import CausalColumns
from lit_causalmix.causal.graphs.constraints import Constraints
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.models.fit import fit_scms
from lit_causalmix.causal.models.missingness import calibrate, fit_gaps
from lit_causalmix.causal.models.warp import warp_nodes
from lit_causalmix.causal.settings import ScmSettings
from lit_causalmix.causal.state import ScmState
from lit_causalmix.causal.structure import Nodes, find_graphs
from lit_causalmix.errors import ConfigurationError
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
        _constraints(nodes, spec.knowledge),
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


def _constraints(nodes: Nodes, knowledge: Knowledge) -> Constraints:
    """What is known of the edges, and those that no mechanism can hold.

    Raises:
        ConfigurationError: If the knowledge does not fit the table, or leaves a target that can
            have no causes without any effect: its labels would be drawn at random.
    """
    names, target = nodes.data.names, nodes.train.schema.target.name
    known, closed = nodes.constraints(knowledge), nodes.data.closed_edges()
    others = [name for name in names if name != target]
    into = [closed[name, target] for name in others if (name, target) in closed]
    if into and all((target, name) in known.forbidden for name in others):
        raise ConfigurationError(
            f"knowledge: {into[0]}, but it is known to cause nothing either, so that its synthetic "
            "labels would have nothing to do with the other columns: let it cause them "
            "(target_is_sink, tiers, exogenous, forbidden)"
        )
    return known.forbid(closed)


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
