"""TabEBM: rows by Langevin dynamics on class-specific energies of a foundation model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.bars import Bar
from lit_causalmix.causal.columns import check_rows
from lit_causalmix.errors import ConfigurationError, GeneratorError, LimitError
from lit_causalmix.generators.parts.backbone import BackboneGenerator
from lit_causalmix.generators.parts.binning import quantile_bins
from lit_causalmix.generators.parts.energy import (
    N_NEGATIVES,
    ClassEnergy,
    Langevin,
    surrogate_negatives,
)
from lit_causalmix.generators.parts.saved import SavedGenerator, settings_text
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.scaling import apart, known_location_scale
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

STATE = "tabebm"
"""Name of the files that `TabEBMGenerator.save` writes."""


@dataclass(frozen=True, eq=False)
class TabEBMState:
    """The training rows as the energies see them.

    Attributes:
        settings: Of the generator that was fitted, as JSON.
        fingerprint: Of the training table.
        values: Coded training rows, float64 (n, C + 1).
        columns: int64 (D,), the columns that chains move in.
        location: float64 (D,), their training means.
        scale: float64 (D,), their training standard deviations; both without numbers that stand
            apart.
        groups: int64 (n,), class of each row, or bin of a regression target.
        contexts: Per group, int64 (R,), the rows that stand in its context.
        negatives: Per group, float64 (M, D).
        support: Ranges of the columns; numbers that stand apart lie outside.
    """

    settings: str
    fingerprint: str
    values: NDArray[np.float64]
    columns: NDArray[np.int64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    groups: NDArray[np.int64]
    contexts: tuple[NDArray[np.int64], ...]
    negatives: tuple[NDArray[np.float64], ...]
    support: Support

    def standardised(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Training rows as points of the chains' space, float64 (n, D); a gap takes the mean."""
        points = (self.values[np.ix_(rows, self.columns)] - self.location) / self.scale
        return np.where(self._held(rows)[:, self.columns], 0.0, points)

    def restored(self, points: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Points (n, D) as coded rows (n, C + 1); the rest comes from the rows they started at."""
        values = self.values[rows]
        moved = values.copy()
        moved[:, self.columns] = self.location + self.scale * points
        return np.where(self._held(rows), values, self.support.restrict(moved))

    def _held(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Cells that no chain moves, bool (n, C + 1): gaps, and what stands apart."""
        values, support = self.values[rows], self.support
        return np.isnan(values) | (values < support.low) | (values > support.high)


CLASSES = {c.__name__: c for c in (TabEBMState, Support)}


class TabEBMGenerator(BackboneGenerator, SavedGenerator[TabEBMState]):
    """Energy-based rows from a foundation model (TabEBM, NeurIPS 2024, arXiv 2409.16118).

    For each class, the backbone tells its real rows from a few far corners of a hypercube; the
    energy of a point is the negative log-sum-exp of the two logits. Chains start at training rows
    and take 200 steps of Langevin dynamics. Energy, corners and step settings are the published
    ones. The published code runs on one TabPFN; here it is the backbone that is being fine-tuned.

    Our choices: a class has as many chains as its share of the training rows (published: equally
    many each). All columns are standardised by the training rows, those of categories by their
    codes, which is what the backbones see of them; a chain moves freely between the codes, and the
    nearest one within the training range is taken at its end. Whole numbers are rounded and
    numbers kept in the training range likewise. A missing cell counts as the column's mean, and is
    missing again in the row; so does a number that stands apart from all others of its column (a
    code such as 99999), which stays. For regression, the target is one more column of the energy
    and drawn jointly with the others, and equally filled bins of its values stand in for the
    classes. Of a backbone that averages several views of a table in evaluation, one is used.

    `Tab2D` (Mitra, `Nano` 1) reads places among the context's quantiles, so its energy is a step
    function that jumps where values repeat, and the chains follow the gradient of a smoothed place:
    a first move off a training value may raise the energy; `AxialTransformer` (`Nano` 2) reads
    values beside places. TabPFN's energy is smooth; `TabPFNV1`
    gives logits at its published temperature of 0.8, not raw ones.

    A draw costs `n_steps` forward and backward passes over context and chains, for each class.

    Args:
        backbone: A classifier; None takes the one that is being fine-tuned.
        n_steps: Steps of a chain.
        step_size: Factor of the energy's gradient in a step.
        noise: Standard deviation of the noise of a step.
        start_noise: Standard deviation of the noise on the starting points.
        distance: Distance of the corners along each axis, in standard deviations.
        max_context_rows: Real rows of a class that the backbone sees at most, a random choice;
            chains start at any row. Published: all.
        target_bins: Bins of a regression target.
        max_chains: Chains that run together at most, a bound on memory.
        device: Where the backbone runs; on "cpu" the same seed gives the same bits.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    state_name = STATE
    state_class = TabEBMState
    state_classes = CLASSES

    def __init__(
        self,
        backbone: Backbone | None = None,
        n_steps: int = 200,
        step_size: float = 0.1,
        noise: float = 0.01,
        start_noise: float = 0.01,
        distance: float = 5.0,
        max_context_rows: int = 128,
        target_bins: int = 5,
        max_chains: int = 512,
        device: str = "cpu",
    ) -> None:
        super().__init__(backbone, device)
        for name, value, least in (
            ("n_steps", n_steps, 1),
            ("step_size", step_size, 0),
            ("noise", noise, 0),
            ("start_noise", start_noise, 0),
            ("distance", distance, 0),
            ("max_context_rows", max_context_rows, 1),
            ("target_bins", target_bins, 1),
            ("max_chains", max_chains, 1),
        ):
            if not least <= value < float("inf"):
                raise ConfigurationError(f"{name} must be at least {least}, got {value}")
        self.langevin = Langevin(n_steps, step_size, noise, start_noise)
        self.distance = distance
        self.max_context_rows = max_context_rows
        self.target_bins = target_bins
        self.max_chains = max_chains

    def _frozen(self, backbone: Backbone) -> Backbone:
        frozen = super()._frozen(backbone)
        # Training reads one view of a table, evaluation may average several, at the cost of each.
        # The flag of the backbone alone: its parts stay as they are in evaluation.
        frozen.training = True
        return frozen

    def settings(self) -> dict[str, Any]:
        return {
            **self.backbone_settings(),
            **asdict(self.langevin),
            "distance": self.distance,
            "max_context_rows": self.max_context_rows,
            "target_bins": self.target_bins,
            "max_chains": self.max_chains,
        }

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        check_rows(train)
        values, task = train.values, train.schema.task
        moving = np.array([np.unique(column[~np.isnan(column)]).size > 1 for column in values.T])
        moving[-1] &= not task.is_classification
        columns = np.flatnonzero(moving)
        if not len(columns):
            raise GeneratorError(f"table {train.name!r}: no feature varies in the training rows")
        context_rows = self._context_rows(len(columns))
        groups = (
            train.target.astype(np.int64)
            if task.is_classification
            else quantile_bins(train.target, self.target_bins)
        )
        names = range(int(groups.max()) + 1)
        # A code such as 99999 would make the deviation its own, of which the noise is a share.
        numbers = np.array([column.is_numerical for column in train.schema.columns])
        near = np.where(apart(values) & numbers, np.nan, values)
        location, scale = known_location_scale(near[:, columns])
        self._state = TabEBMState(
            settings=settings_text(self),
            fingerprint=train.fingerprint(),
            values=values,
            columns=columns,
            location=location,
            scale=scale,
            groups=groups,
            contexts=tuple(
                rng_for(seed, "tabebm-context", g).permutation(np.flatnonzero(groups == g))[
                    :context_rows
                ]
                for g in names
            ),
            negatives=tuple(
                surrogate_negatives(
                    len(columns), self.distance, rng_for(seed, "tabebm-negatives", g)
                )
                for g in names
            ),
            support=replace(
                Support.of(train),
                low=np.fmin.reduce(near, axis=0),
                high=np.fmax.reduce(near, axis=0),
            ),
        )

    def _context_rows(self, n_columns: int) -> int:
        """Returns how many real rows a context holds, after a check of the backbone's limits."""
        limits, name = self.backbone.limits, type(self.backbone).__name__
        if limits.classes is not None and limits.classes < 2:
            raise LimitError(
                f"TabEBMGenerator needs a classifier, and {name} is none: give it one as "
                "generator.init_args.backbone"
            )
        if limits.columns is not None and n_columns > limits.columns:
            raise LimitError(
                f"{name} takes at most {limits.columns} columns, the energy has {n_columns}: drop "
                "columns with data.table.drop, or choose another backbone"
            )
        if limits.context_rows is None:
            return self.max_context_rows
        return min(self.max_context_rows, limits.context_rows - N_NEGATIVES)

    def energy(self, group: int) -> ClassEnergy:
        """Returns the energy of a class, or of a bin of the target, on standardised columns."""
        state = self.state
        real = state.standardised(state.contexts[group])
        return ClassEnergy.of(self.backbone, real, state.negatives[group], self.device)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        state = self.state
        start = rng.integers(len(state.values), size=n)
        points = state.standardised(start)
        chunks = [
            (group, chunk)
            for group in range(len(state.contexts))
            for chunk in self._chunks(np.flatnonzero(state.groups[start] == group))
        ]
        total = len(chunks) * self.langevin.n_steps
        with Bar(total=total, desc="TabEBM chains", disable=not self.progress) as bar:
            for group, chunk in chunks:
                points[chunk] = self.langevin.run(
                    self.energy(group), points[chunk], rng, bar.update
                )
        return state.restored(points, start)

    def _chunks(self, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        return [rows[i : i + self.max_chains] for i in range(0, len(rows), self.max_chains)]
