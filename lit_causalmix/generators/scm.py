"""Rows from an ensemble of structural causal models (CausalMixFT, arXiv 2601.04110)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.learn import learn
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.causal.settings import ScmSettings
from lit_causalmix.causal.state import CLASSES, ScmState
from lit_causalmix.causal.structure import LIBRARIES, known_edges
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.parts.conditions import MAX_DRAWS, collect
from lit_causalmix.generators.parts.conditions import conditions as parse_conditions
from lit_causalmix.generators.parts.conditions import interventions as parse_interventions
from lit_causalmix.generators.parts.saved import SavedGenerator
from lit_causalmix.quiet import single_thread
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.table import Table

STATE = "scm"
"""Name of the files that `SCMGenerator.save` writes."""


class SCMGenerator(SavedGenerator[ScmState]):
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
            kept by every graph, whatever discovery says; not with `edges`.
        edges: Pairs [cause, effect], by column name: the graph, in place of discovery. An empty
            list says that no column depends on another; `n_dags` does not count.

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
        )
        self._schema: Schema

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

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        with single_thread():
            self._state = learn(train, self.spec, seed=seed, progress=progress, parts=self.parts)
        self._schema = train.schema

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return self._draw(self.state, n, rng)

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
        state = self.state
        held = parse_interventions(
            interventions, self._schema, state.set_aside, state.low, state.high
        )
        return self._draw(state.do(held), n, rng)

    def sample_where(
        self,
        n: int,
        rng: np.random.Generator,
        conditions: Mapping[str, str | tuple[float, float]],
        *,
        max_draws: int = MAX_DRAWS,
    ) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), of a class or subgroup, by rejection.

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            conditions: By column, (lowest, highest) or a label; a missing cell meets none.
            max_draws: Rows drawn at most.

        Raises:
            ConfigurationError: If a column or label is unknown, or a condition is no range.
            GeneratorError: If the draws do not hold n such rows, or nothing is fitted.
        """
        draw, chooser = partial(self.sample, rng=rng), parse_conditions(conditions, self._known())
        found, drawn = collect(
            draw, lambda rows: np.where(chooser(rows), 0, -1).astype(np.intp), [n], max_draws
        )
        if len(found[0]) < n:
            raise GeneratorError(
                f"{len(found[0])} of {n} rows with {dict(conditions)} found in {drawn} draws: "
                "widen the conditions, ask for fewer rows or raise max_draws"
            )
        return found[0]

    def sample_balanced(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        column: str | None = None,
        max_draws: int = MAX_DRAWS,
    ) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), with equally many of each class, by rejection.

        Where n is no multiple of the classes, random ones have one row more.

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            column: Whose categories are balanced, a subgroup's column for one; None takes the
                target. A row without the cell belongs to none.
            max_draws: Rows drawn at most.

        Raises:
            ConfigurationError: If there is no such column, or it has no categories.
            GeneratorError: If the draws do not hold enough rows of a class, or nothing is fitted.
        """
        schema = self._known()
        names = [c.name for c in schema.columns]
        name = schema.target.name if column is None else column
        if name not in names:
            raise ConfigurationError(f"no column {name!r} to balance: there are {', '.join(names)}")
        place = names.index(name)
        classes = schema.columns[place].categories
        if not classes:
            raise ConfigurationError(
                "sample_balanced needs a column with categories: use sample_where for a range of "
                f"{name!r}"
            )
        extra = rng.permutation(len(classes)) < n % len(classes)
        quotas = (n // len(classes) + extra).tolist()
        draw = partial(self.sample, rng=rng)
        found, drawn = collect(
            draw,
            lambda rows: np.nan_to_num(rows[:, place], nan=-1).astype(np.intp),
            quotas,
            max_draws,
        )
        for label, rows, quota in zip(classes, found, quotas, strict=True):
            if len(rows) < quota:
                raise GeneratorError(
                    f"{len(rows)} of {quota} rows of class {label!r} found in {drawn} draws: ask "
                    "for fewer rows or raise max_draws"
                )
        return rng.permutation(np.concatenate(found))

    def _known(self) -> Schema:
        """Returns the schema, after a check that something was learned."""
        _ = self.state
        return self._schema

    def _draw(self, state: ScmState, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return state.sample(
            n, rng, rows_per_model=self.spec.rows_per_model, missing=self.spec.missing != "none"
        )

    def load(self, folder: Path, train: Table) -> None:
        super().load(folder, train)
        self._schema = train.schema
