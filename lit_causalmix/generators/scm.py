"""Rows from an ensemble of structural causal models (CausalMixFT, arXiv 2601.04110)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.counterfactual import RealRows, counterfactual_rows
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.learn import learn
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.causal.settings import ScmSettings
from lit_causalmix.causal.state import CLASSES, ScmState
from lit_causalmix.causal.structure import LIBRARIES, known_edges
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.conditions import interventions as parse_interventions
from lit_causalmix.generators.parts.rejection import DrawsByRejection
from lit_causalmix.generators.parts.saved import SavedGenerator
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.table import Table

STATE = "scm"
"""Name of the files that `SCMGenerator.save` writes."""


class SCMGenerator(DrawsByRejection, SavedGenerator[ScmState]):
    """Learns structural causal models of a table and samples rows from them.

    PC and FCI on resamples give edge probabilities, these an ensemble of acyclic graphs, and each
    graph a DoWhy model with additive noise (regressors for numerical, classifiers for other
    columns; the target is a node like any other). The fitted models are compiled to arrays;
    DoWhy is needed for fitting alone.

    Args:
        n_dags: Graphs in the ensemble.
        n_resamples: Resamples of the training rows that discovery runs on.
        alphas: Significance levels of the independence tests.
        algorithms: Discovery algorithms, out of "pc" and "fci".
        max_conditioning: Most columns that an independence test conditions on.
        test_budget: Independence tests over all runs of the batched search, each with an equal
            share; where it does not suffice, columns with many neighbours are tested given the
            strongest ones alone, and a warning says so.
        time_budget_s: Seconds after which discovery starts no further run, an emergency brake: a
            fit that reaches it depends on the speed of the machine.
        search: "batched", our own form of PC and FCI, fast and whatever the order of the columns,
            or "causal-learn", whose runs are slow on wide tables: with the same tests.
        n_jobs: Processes that share the resamples in discovery, -1 for as many as processors; they
            have no influence on the result, and pay with "causal-learn" alone.
        mechanism: "linear", "boosting", "forest", or "auto": the better of the first two per
            column by cross-validation.
        noise: What is added to the expected value of a numerical column: "residual" draws a
            residual of the fit, "smoothed" one with a kernel around it, "heteroscedastic" scales
            it by a size that depends on the parents too.
        scale: "quantile" models numerical columns as normal scores, which keeps the shape of skewed
            columns, "raw" in their own units, "auto" as normal scores where tails are heavy.
        missing: "conditional" models what is missing given the other values and the other gaps;
            "pattern" gives each synthetic row the missing cells of a random training row, whatever
            its values; "none" leaves every cell filled. The target is never missing.
        rows_per_model: A call of `sample` visits one model of the ensemble per so many rows: a
            higher number makes small draws faster, a lower one spreads them over more graphs.
        knowledge: Required and forbidden edges, tiers, exogenous columns, the target as a sink:
            kept by every graph, whatever discovery says; not with `edges`. A column of more than 32
            categories has no causes in any case.
        edges: Pairs [cause, effect], by column name: the graph, in place of discovery. An empty
            list says that no column depends on another; `n_dags` does not count.
        freshness: `sample` gives counterfactual rows [our construction]: each starts from a real
            row, keeps the noise that explains it, and draws it anew at each node with this
            probability, 0 to 1; what follows is computed by a model of the ensemble. 0 gives the
            real rows, 1 rows as they come without a source row, but for the gaps, which stay those
            of the source row. null starts from no real row.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    libraries = (*LIBRARIES, "dowhy")
    state_name = STATE
    state_class = ScmState
    state_classes = CLASSES

    def __init__(
        self,
        n_dags: int = 8,
        n_resamples: int = 5,
        alphas: Sequence[float] = (0.01, 0.05, 0.1),
        algorithms: Sequence[str] = ("pc", "fci"),
        max_conditioning: int = 3,
        test_budget: int = 3_000_000,
        time_budget_s: float = 300.0,
        search: str = "batched",
        n_jobs: int = 1,
        mechanism: str = "auto",
        noise: str = "residual",
        scale: str = "quantile",
        missing: str = "conditional",
        rows_per_model: int = 64,
        knowledge: Knowledge | None = None,
        edges: Sequence[Sequence[str]] | None = None,
        freshness: float | None = None,
    ) -> None:
        self.spec = ScmSettings(
            n_dags=n_dags,
            discovery=DiscoverySettings(
                algorithms=tuple(algorithms),
                n_resamples=n_resamples,
                alphas=tuple(float(a) for a in alphas),
                max_conditioning=max_conditioning,
                test_budget=test_budget,
                time_budget_s=float(time_budget_s),
                search=search,
                n_jobs=n_jobs,
            ),
            mechanism=mechanism,
            noise=noise,
            scale=scale,
            missing=missing,
            rows_per_model=rows_per_model,
            knowledge=known_edges(edges, knowledge),
            given=edges is not None,
            freshness=freshness,
        )
        self._train: Table
        self._sources: RealRows | None = None

    @property
    def edge_probabilities(self) -> EdgeProbabilities:
        """What discovery found, or the graph that was given."""
        return self.state.edges

    @property
    def dags(self) -> NDArray[np.bool_]:
        """The sampled graphs, bool (K, d, d) over `edge_probabilities.names`."""
        return self.state.dags

    def settings(self) -> dict[str, Any]:
        return self.spec.to_dict()

    def draw_settings(self) -> dict[str, Any]:
        freshness = self.spec.freshness
        return {} if freshness is None else {"freshness": freshness}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        with single_thread():
            self._state = learn(train, self.spec, seed=seed, progress=progress, parts=self.parts)
        self._of(train)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        freshness = self.spec.freshness
        if freshness is None:
            return self._draw(self.state, n, rng)
        state, real = self.state, self._real()
        # Whole permutations, so that no source row is used much more often than another.
        rounds = [rng.permutation(len(real.values)) for _ in range(-(-n // len(real.values)))]
        source = real.take(np.concatenate([*rounds, np.empty(0, np.intp)])[:n].astype(np.intp))
        fresh = rng.random(source.nodes.shape) < freshness
        return self._counterfactual(state, source, fresh, rng)

    def sample_do(
        self, n: int, rng: np.random.Generator, interventions: Mapping[str, float | str]
    ) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), under do(column = value).

        The mechanism of each column is cut and the value held, whatever its causes; its effects
        follow, also in the columns that are functions of others. A held cell is never missing.

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            interventions: By column, a number (numerical) or a label (any other kind).

        Raises:
            ConfigurationError: If a column or label is unknown, or a column is no node of the
                graph.
            GeneratorError: If there was no `fit` or `load` before.
        """
        return self._draw(self.state.do(self._held(interventions)), n, rng)

    def counterfactual(
        self,
        row: NDArray[np.float64],
        do: Mapping[str, float | str],
        *,
        n: int = 256,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Says what one row would have been under do(column = value).

        The row keeps the noise that explains it. Where all nodes are numerical and there is one
        graph, all draws are equal; the noise behind a category is known up to its posterior, and
        the graphs of the ensemble share the draws equally. Columns that the intervention does not
        reach stay as they are, to the bit; gaps stay gaps, and what they hid counts as what it was
        filled with for the fit.

        Args:
            row: Coded, float64 (C + 1,).
            do: By column, a number (numerical) or a label (any other kind).
            n: Number of draws.
            seed: Source of all randomness.

        Returns:
            Coded rows, float64 (n, C + 1), one per draw.

        Raises:
            ConfigurationError: If a column or label is unknown, a column is no node of the graph,
                or the row has another number of cells than the table.
            GeneratorError: If there was no `fit` or `load` before.
        """
        state, held = self.state, self._held(do)
        if row.shape != (len(state.low),):
            raise ConfigurationError(
                f"a row of this table has {len(state.low)} cells, got an array of {row.shape}"
            )
        real = RealRows.of(np.tile(row, (n, 1)), state, self._train)
        rng, fresh = rng_for(seed, "counterfactual"), np.zeros(real.nodes.shape, dtype=bool)
        return self._counterfactual(state, real, fresh, rng, rows_per_model=1, held=held)

    def known_schema(self) -> Schema:
        _ = self.state
        return self._train.schema

    def _held(self, wanted: Mapping[str, float | str]) -> dict[int, float]:
        """The coded value of each column that is held."""
        state = self.state
        return parse_interventions(
            wanted, self._train.schema, state.set_aside, state.low, state.high
        )

    def _draw(self, state: ScmState, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return state.sample(
            n, rng, rows_per_model=self.spec.rows_per_model, missing=self.spec.missing != "none"
        )

    def _counterfactual(
        self,
        state: ScmState,
        real: RealRows,
        fresh: NDArray[np.bool_],
        rng: np.random.Generator,
        *,
        rows_per_model: int | None = None,
        held: Mapping[int, float] | None = None,
    ) -> NDArray[np.float64]:
        return counterfactual_rows(
            state,
            real,
            fresh,
            rng,
            rows_per_model=rows_per_model or self.spec.rows_per_model,
            missing=self.spec.missing != "none",
            held=held,
        )

    def _real(self) -> RealRows:
        """The training rows as the models see them, prepared once."""
        if self._sources is None:
            self._sources = RealRows.of(self._train.values, self.state, self._train)
        return self._sources

    def _of(self, train: Table) -> None:
        self._train, self._sources = train, None

    def load(self, folder: Path, train: Table) -> None:
        super().load(folder, train)
        self._of(train)
