"""Rows from an ensemble of structural causal models (CausalMixFT, arXiv 2601.04110)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal import store
from lit_causalmix.causal.columns import prepare_columns
from lit_causalmix.causal.dags import sample_dags
from lit_causalmix.causal.discovery import DiscoverySettings, discover
from lit_causalmix.causal.edges import EdgeProbabilities
from lit_causalmix.causal.encoding import encode_for_discovery
from lit_causalmix.causal.global_state import single_thread
from lit_causalmix.causal.knowledge import Knowledge
from lit_causalmix.causal.scm import NodeData, fit_scms
from lit_causalmix.causal.state import CLASSES, ScmState
from lit_causalmix.errors import GeneratorError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.scm_settings import ScmSettings
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.table import Table

STATE = "scm"
"""Name of the files that `SCMGenerator.save` writes."""


class SCMGenerator(Generator):
    """Learns structural causal models of a table and samples rows from them.

    PC and FCI on bootstraps give edge probabilities, these an ensemble of acyclic graphs, and each
    graph a DoWhy model with additive noise (regressors for numerical, classifiers for other
    columns; the target is a node like any other). The fitted models are compiled to arrays;
    DoWhy is needed for fitting alone.

    Args:
        n_dags: Graphs in the ensemble.
        n_bootstraps: Resamples of the training rows that discovery runs on.
        alphas: Significance levels of the independence tests.
        algorithms: Discovery algorithms, out of "pc" and "fci".
        max_conditioning: Most columns that an independence test conditions on.
        test_budget: Most independence tests over all discovery runs; beyond it runs are skipped,
            and a warning says how many.
        time_budget_s: Seconds after which discovery skips runs likewise. A fit that reaches it
            depends on the speed of the machine, so keep it well above what `test_budget` takes.
        mechanism: "linear", "boosting", or "auto": the better of both per column by
            cross-validation.
        missing: "pattern" gives each synthetic row the missing cells of a random training row,
            "none" leaves every cell filled; the target is never missing.
        rows_per_model: A call of `sample` visits one model of the ensemble per so many rows: a
            higher number makes small draws faster, a lower one spreads them over more graphs.
        knowledge: Required and forbidden edges, tiers, exogenous columns, the target as a sink:
            kept by every graph, whatever discovery says.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    def __init__(
        self,
        n_dags: int = 8,
        n_bootstraps: int = 5,
        alphas: Sequence[float] = (0.01, 0.05, 0.1),
        algorithms: Sequence[str] = ("pc", "fci"),
        max_conditioning: int = 3,
        test_budget: int = 1_000_000,
        time_budget_s: float = 300.0,
        mechanism: str = "auto",
        missing: str = "pattern",
        rows_per_model: int = 64,
        knowledge: Knowledge | None = None,
    ) -> None:
        self.spec = ScmSettings(
            n_dags=n_dags,
            discovery=DiscoverySettings(
                algorithms=tuple(algorithms),
                n_bootstraps=n_bootstraps,
                alphas=tuple(float(a) for a in alphas),
                max_conditioning=max_conditioning,
                test_budget=test_budget,
                time_budget_s=float(time_budget_s),
            ),
            mechanism=mechanism,
            missing=missing,
            rows_per_model=rows_per_model,
            knowledge=knowledge or Knowledge(),
        )
        self._state: ScmState | None = None

    @property
    def state(self) -> ScmState:
        """What was learned.

        Raises:
            GeneratorError: If there was no `fit` or `load` before.
        """
        if self._state is None:
            raise GeneratorError("SCMGenerator is not fitted: call fit or load first")
        return self._state

    @property
    def edge_probabilities(self) -> EdgeProbabilities:
        """What discovery found."""
        return self.state.edges

    @property
    def dags(self) -> NDArray[np.bool_]:
        """The sampled graphs, bool (K, d, d) over `edge_probabilities.names`."""
        return self.state.dags

    def settings(self) -> dict[str, Any]:
        return self.spec.to_dict()

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        with single_thread():
            self._state = self._learn(train, seed, progress)

    def _learn(self, train: Table, seed: int, progress: bool) -> ScmState:
        columns, prepared = train.schema.columns, prepare_columns(train)
        nodes = list(prepared.nodes)
        data = NodeData(
            tuple(columns[j] for j in nodes), prepared.values[:, nodes], prepared.missing[:, nodes]
        )
        set_aside = {columns[s.column].name: s.reason.value for s in prepared.set_aside}
        constraints = self.spec.knowledge.node_constraints(
            [c.name for c in columns], train.schema.target.name, set_aside
        ).forbid(data.closed_edges())
        edges = discover(
            encode_for_discovery(data.values, data.columns),
            data.names,
            self.spec.discovery,
            seed=seed,
            set_aside=set_aside,
            progress=progress,
        )
        dags = sample_dags(
            constraints.apply(edges.matrix, data.names),
            self.spec.n_dags,
            rng_for(seed, "dags"),
            constraints.matrices(data.names)[0],
        )
        constraints.check(dags, data.names)
        fitted = fit_scms(data, dags, mechanism=self.spec.mechanism, seed=seed, progress=progress)
        return ScmState(
            settings=json.dumps(self.settings()),
            fingerprint=train.fingerprint(),
            edges=edges,
            dags=dags,
            families=fitted.families,
            ensemble=fitted.ensemble,
            nodes=np.asarray(nodes, dtype=np.int64),
            set_aside=prepared.set_aside,
            low=prepared.values.min(axis=0),
            high=prepared.values.max(axis=0),
            integer=np.array([c.integer or not c.is_numerical for c in columns]),
            missing=prepared.missing if prepared.missing.any() else prepared.missing[:0],
        )

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.state.sample(
            n, rng, rows_per_model=self.spec.rows_per_model, missing=self.spec.missing == "pattern"
        )

    def save(self, folder: Path) -> None:
        store.write(folder, STATE, self.state)

    def load(self, folder: Path, train: Table) -> None:
        state = store.read(folder, STATE, CLASSES)
        if not isinstance(state, ScmState):
            raise GeneratorError(f"{folder} does not hold the state of an SCMGenerator")
        if state.fingerprint != train.fingerprint():
            raise GeneratorError(
                f"the state in {folder} was learned from other rows than the training split of "
                f"table {train.name!r}: fit again"
            )
        then, now = json.loads(state.settings), json.loads(json.dumps(self.settings()))
        if then != now:
            changed = sorted(k for k in then | now if then.get(k) != now.get(k))
            raise GeneratorError(
                f"the state in {folder} was learned with other settings ({', '.join(changed)}): "
                "fit again, or use the settings of then"
            )
        self._state = state
