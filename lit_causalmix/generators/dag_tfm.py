"""Rows from a foundation model that draws each column given its causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.bars import Bar, each
from lit_causalmix.causal.columns import SetAside
from lit_causalmix.causal.graphs.dags import topological_order
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.causal.structure import LIBRARIES, Graphs, Nodes, find_graphs, known_edges
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.generators.parts.backbone import BackboneGenerator
from lit_causalmix.generators.parts.conditional import Conditional, Conditioning, Inputs
from lit_causalmix.generators.parts.saved import SavedGenerator, settings_text
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

STATE = "dag_tfm"
"""Name of the files that `DagTFMGenerator.save` writes."""

NUMERICAL = ("auto", "residual", "bins")
"""How numbers are drawn."""


@dataclass(frozen=True, eq=False)
class DagTFMState:
    """Everything that `fit` learns, and that is saved.

    Attributes:
        settings: Of the generator that was fitted, as JSON.
        fingerprint: Of the training table.
        edges: What discovery found, or the graph that was given.
        dags: bool (K, d, d) over the nodes, [k, i, j] is True for i → j.
        nodes: int64 (d,), column of each node.
        set_aside: The other columns.
        inputs: The training rows.
        missing: bool (n, C + 1), their missing cells.
        conditionals: Each column with its parents, for every graph.
        support: Ranges of the columns.
    """

    settings: str
    fingerprint: str
    edges: EdgeProbabilities
    dags: NDArray[np.bool_]
    nodes: NDArray[np.int64]
    set_aside: tuple[SetAside, ...]
    inputs: Inputs
    missing: NDArray[np.bool_]
    conditionals: tuple[Conditional, ...]
    support: Support

    def sources(self, k: int) -> Iterator[tuple[int, Conditional | None]]:
        """The columns of graph k, causes first, each with its conditional; None for a root."""
        known = {(c.column, tuple(c.parents)): c for c in self.conditionals}
        for node in topological_order(self.dags[k]):
            column, parents = int(self.nodes[node]), self.nodes[self.dags[k][:, node]]
            yield column, known[column, tuple(parents)] if len(parents) else None

    def known(self, column: int) -> NDArray[np.int64]:
        """Training rows in which a column is not missing."""
        return np.flatnonzero(~self.missing[:, column])


CLASSES = {
    c.__name__: c for c in (DagTFMState, EdgeProbabilities, SetAside, Inputs, Conditional, Support)
}


class DagTFMGenerator(BackboneGenerator, SavedGenerator[DagTFMState]):
    """Draws each column from a foundation model given its parents (arXiv 2603.10254).

    Columns are drawn in topological order of a directed acyclic graph; the backbone predicts each
    from its parents alone, with the training rows as context. Published: TabPFN, with the true
    graph or a partially directed one. Here the backbone is the one that is being fine-tuned and the
    graphs come from PC and FCI as for `SCMGenerator`, or from `edges` (our choices, with the rest):

    - A category is drawn from the predicted probabilities. Where a column has more categories than
      the backbone has classes, the most frequent ones have a class each and all others share one,
      within which a category is drawn by its frequency.
    - A number is drawn as prediction plus a residual, where the backbone regresses: it predicts a
      single value, so the spread has to come from elsewhere. The residuals are out of sample, by
      cross-validation over the context, since in-context predictions of context rows fit them too
      well. A backbone that only classifies is asked for equally filled bins; the value is that of a
      random training row in the drawn bin. This also keeps spreads that depend on the parents, but
      nothing within a bin does. A number of few distinct values (`n_bins`), or with cells that
      stand apart from all others (a code such as 99999), is always a class.
    - A root is drawn from its training cells. Each row comes from one of `n_dags` graphs. Cells are
      missing as in a random training row. Numbers are kept in the training range, and rounded where
      the column holds whole ones; constant and redundant columns are put back as functions of
      others.

    Args:
        backbone: The backbone; None takes the one that is being fine-tuned.
        edges: Pairs [cause, effect], by column name: the graph, in place of discovery.
        knowledge: What the graphs that discovery finds must keep; not with `edges`.
        n_dags: Graphs drawn from the edge probabilities.
        discovery: How structure is searched for.
        numerical: "residual" or "bins" as above, or "auto": residual where the backbone regresses.
        n_bins: Most bins of a number. On a Gaussian chain, 6 kept correlations better than 4 or 10
            with the embedded model, and as well as 10 with TabPFN v1.
        max_context_rows: Most training rows in a context, a random choice (stratified by class).
        device: Where the backbone runs; on "cpu" the same seed gives the same bits.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    libraries = (*LIBRARIES, "torch")
    state_name = STATE
    state_class = DagTFMState
    state_classes = CLASSES

    def __init__(
        self,
        backbone: Backbone | None = None,
        edges: Sequence[Sequence[str]] | None = None,
        knowledge: Knowledge | None = None,
        n_dags: int = 4,
        discovery: DiscoverySettings = DiscoverySettings(),  # noqa: B008  # frozen
        numerical: str = "auto",
        n_bins: int = 6,
        max_context_rows: int = 1024,
        device: str = "cpu",
    ) -> None:
        super().__init__(backbone, device)
        for name, value, least in (
            ("n_dags", n_dags, 1),
            ("n_bins", n_bins, 2),
            ("max_context_rows", max_context_rows, 2),
        ):
            if value < least:
                raise ConfigurationError(f"{name} must be at least {least}, got {value}")
        if numerical not in NUMERICAL:
            raise ConfigurationError(f"numerical must be one of {NUMERICAL}, got {numerical!r}")
        self.given = edges is not None
        self.knowledge = known_edges(edges, knowledge)
        self.n_dags = n_dags
        self.discovery = discovery
        self.numerical = numerical
        self.n_bins = n_bins
        self.max_context_rows = max_context_rows

    def settings(self) -> dict[str, Any]:
        return {
            **self.backbone_settings(),
            "given": self.given,
            "knowledge": self.knowledge.settings(),
            "n_dags": self.n_dags,
            "discovery": self.discovery.to_dict(),
            "numerical": self.numerical,
            "n_bins": self.n_bins,
            "max_context_rows": self.max_context_rows,
        }

    @property
    def edge_probabilities(self) -> EdgeProbabilities:
        """What discovery found, or the graph that was given."""
        return self.state.edges

    @property
    def dags(self) -> NDArray[np.bool_]:
        """The graphs, bool (K, d, d) over `edge_probabilities.names`."""
        return self.state.dags

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        nodes = Nodes.of(train)
        prepared, positions = nodes.prepared, np.array(nodes.prepared.nodes, dtype=np.int64)
        categorical = np.array([not c.is_numerical for c in train.schema.columns])
        conditioning = self._conditioning()
        constraints = nodes.constraints(self.knowledge)
        self._check_backbone(nodes, conditioning, constraints.matrices(nodes.data.names)[0])
        graphs = find_graphs(
            nodes,
            constraints,
            self.discovery,
            self.n_dags,
            given=self.given,
            seed=seed,
            progress=progress,
            parts=self.parts,
        )
        inputs = Inputs.of(prepared.values, categorical)
        wanted = self._wanted(graphs, positions)
        conditionals = tuple(
            conditioning.learn(
                column,
                np.array(parents, dtype=np.int64),
                np.flatnonzero(~prepared.missing[:, column]),
                inputs,
                rng_for(seed, "dag-tfm", column, *parents),
            )
            for column, parents in each(
                wanted, "foundation model", total=len(wanted), disable=not progress
            )
        )
        self._state = DagTFMState(
            settings=settings_text(self),
            fingerprint=train.fingerprint(),
            edges=graphs.edges,
            dags=graphs.dags,
            nodes=positions,
            set_aside=prepared.set_aside,
            inputs=inputs,
            missing=prepared.missing,
            conditionals=conditionals,
            support=Support.of(train),
        )

    def _conditioning(self) -> Conditioning:
        limits, name = self.backbone.limits, type(self.backbone).__name__
        if self.numerical == "residual" and not limits.regression:
            raise LimitError(
                f"numerical: residual needs a backbone that regresses, and {name} does not: set "
                "numerical to bins"
            )
        return Conditioning.within_limits(
            self.backbone,
            self.device,
            bins_alone=self.numerical == "bins",
            n_bins=self.n_bins,
            max_rows=self.max_context_rows,
        )

    def _check_backbone(self, nodes: Nodes, conditioning: Conditioning, required: Any) -> None:
        """Refuses columns that the backbone cannot draw, before the search for graphs."""
        limits, name = self.backbone.limits, type(self.backbone).__name__
        data = nodes.data
        parents = required.sum(axis=0) if self.given else np.full(len(data.names), 1)
        if limits.columns is not None and parents.max(initial=0) > limits.columns:
            raise LimitError(
                f"{name} takes at most {limits.columns} columns, and "
                f"{data.names[int(parents.argmax())]!r} has {parents.max()} parents: remove edges, "
                "or choose another backbone"
            )
        if conditioning.max_classes == 0:
            for j in np.flatnonzero(parents):
                cells = data.values[~data.missing[:, j], j]
                if not conditioning.as_number(cells, not data.columns[j].is_numerical):
                    raise LimitError(
                        f"{data.names[j]!r} is drawn as a class, and {name} does not classify: "
                        "choose another backbone for the generator"
                    )

    def _wanted(
        self, graphs: Graphs, positions: NDArray[np.int64]
    ) -> list[tuple[int, tuple[int, ...]]]:
        """Returns each column with its parents, once for all graphs that have it so."""
        found = {
            (int(positions[node]), tuple(positions[dag[:, node]].tolist()))
            for dag in graphs.dags
            for node in range(len(positions))
        }
        return sorted((column, parents) for column, parents in found if parents)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        state = self.state
        rows = np.full((n, len(state.support.low)), np.nan)
        graph = rng.integers(len(state.dags), size=n)
        total = len(state.dags) * len(state.nodes)
        with Bar(total=total, desc="DAG-TFM rows", disable=not self.progress) as bar:
            for k in range(len(state.dags)):
                chosen = np.flatnonzero(graph == k)
                rows[chosen] = self._drawn(k, rows[chosen], rng, bar)
        for entry in state.set_aside:
            rows[:, entry.column] = state.support.restrict(entry.compute(rows), entry.column)
        rows[state.missing[rng.integers(len(state.missing), size=n)]] = np.nan
        return rows

    def _drawn(
        self, k: int, rows: NDArray[np.float64], rng: np.random.Generator, bar: Any
    ) -> NDArray[np.float64]:
        """Fills the nodes of empty rows, float64 (n, C + 1), from graph k."""
        state = self.state
        for column, conditional in state.sources(k):
            bar.update()
            if not len(rows):
                continue
            cells = (
                rng.choice(state.inputs.values[state.known(column), column], size=len(rows))
                if conditional is None
                else conditional.draw(rows, state.inputs, self.backbone, self.device, rng)
            )
            rows[:, column] = state.support.restrict(cells, column)
        return rows
