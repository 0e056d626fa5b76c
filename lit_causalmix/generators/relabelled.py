"""Rows of another generator whose targets a foundation model draws."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.files import state as store
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.backbone import BackboneGenerator
from lit_causalmix.generators.parts.conditional import Conditional, Conditioning, Inputs
from lit_causalmix.generators.parts.saved import SavedGenerator, settings_text
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.names import public_name
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.scaling import single_location_scale
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

STATE = "relabelled"
"""Name of the files that `RelabelledGenerator.save` writes, beside those of the other generator."""


@dataclass(frozen=True, eq=False)
class RelabelledState:
    """What `fit` learns beside the other generator.

    Attributes:
        settings: Of the generator that was fitted, as JSON.
        fingerprint: Of the training table.
        inputs: The training rows, their gaps left open.
        target: The target given all features.
        support: Range of the target.
    """

    settings: str
    fingerprint: str
    inputs: Inputs
    target: Conditional
    support: Support


CLASSES = {c.__name__: c for c in (RelabelledState, Inputs, Conditional, Support)}


class RelabelledGenerator(BackboneGenerator, SavedGenerator[RelabelledState]):
    """Keeps the features of another generator's rows and draws their targets from a backbone.

    [our construction] A generator errs in two ways: in the features, and in the target given the
    features. Here the second is that of the pre-trained backbone itself, with the training rows as
    context, so that what remains is the first; and fine-tuning on such rows holds the model where
    it is, in place of teaching it the other generator's errors.

    A class is drawn from the predicted probabilities. A number is the prediction plus an
    out-of-sample residual of the training rows, within the training range.

    Args:
        generator: Draws the features; None takes `SCMGenerator`.
        backbone: The backbone; None takes the one that is being fine-tuned.
        n_bins: A numerical target of no more distinct values is drawn as a class; one with cells
            that stand apart from all others (a code such as 99999) as a class of so many bins.
        max_context_rows: Most training rows in the context, a random choice (stratified by class).
        device: Where the backbone runs; on "cpu" the same seed gives the same bits.

    Raises:
        ConfigurationError: If a setting is out of its range, or the other generator asks a
            backbone, too.
    """

    state_name = STATE
    state_class = RelabelledState
    state_classes = CLASSES

    def __init__(
        self,
        generator: Generator | None = None,
        backbone: Backbone | None = None,
        n_bins: int = 6,
        max_context_rows: int = 1024,
        device: str = "cpu",
    ) -> None:
        super().__init__(backbone, device)
        for name, value in (("n_bins", n_bins), ("max_context_rows", max_context_rows)):
            if value < 2:
                raise ConfigurationError(f"{name} must be at least 2, got {value}")
        # A copy: the given one may be fitted to something else.
        self.generator = SCMGenerator() if generator is None else copy.deepcopy(generator)
        if self.generator.slow:
            raise ConfigurationError(
                "RelabelledGenerator takes the features of a generator without a backbone, got "
                f"{type(self.generator).__name__}"
            )
        self.n_bins = n_bins
        self.max_context_rows = max_context_rows

    def classes(self) -> tuple[type, ...]:
        return (*super().classes(), *self.generator.classes())

    def settings(self) -> dict[str, Any]:
        return {
            **self.backbone_settings(),
            "generator": public_name(type(self.generator)),
            "features": self.generator.settings(),
            "n_bins": self.n_bins,
            "max_context_rows": self.max_context_rows,
        }

    def draw_settings(self) -> dict[str, Any]:
        return self.generator.draw_settings()

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        self.generator.parts = self.parts
        self.generator.fit(train, seed=seed, progress=progress)
        inputs = _inputs(train)
        conditioning = Conditioning.within_limits(
            self.backbone,
            self.device,
            bins_alone=False,
            n_bins=self.n_bins,
            max_rows=self.max_context_rows,
        )
        last = len(train.schema.features)
        features = np.flatnonzero(varies(train.values[:, :last]))
        if not len(features):
            raise GeneratorError(f"no feature of {train.name!r} varies: nothing tells its target")
        target = conditioning.learn(
            last, features, np.arange(len(train)), inputs, rng_for(seed, "relabelled")
        )
        self._state = RelabelledState(
            settings_text(self), train.fingerprint(), inputs, target, Support.of(train)
        )

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        state, rows = self.state, self.generator.sample(n, rng)
        if n:
            drawn = state.target.draw(rows, state.inputs, self.backbone, self.device, rng)
            rows[:, -1] = state.support.restrict(drawn, rows.shape[1] - 1)
        return rows

    def save(self, folder: Path) -> None:
        self.generator.save(folder)
        store.write(folder, STATE, self.state)

    def load(self, folder: Path, train: Table) -> None:
        super().load(folder, train)
        self.generator.load(folder, train)


def varies(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the known cells of a column differ: float64 (n, C) to bool (C,)."""
    return np.asarray(np.fmax.reduce(values, axis=0) > np.fmin.reduce(values, axis=0))


def _inputs(train: Table) -> Inputs:
    """The training rows as the backbone sees them, gaps left to it."""
    categorical = np.array([not column.is_numerical for column in train.schema.columns])
    standardised = varies(train.values) & ~categorical
    location, scale = np.zeros(len(categorical)), np.ones(len(categorical))
    location[standardised], scale[standardised] = single_location_scale(
        train.values[:, standardised]
    )
    return Inputs(train.values, location, scale, categorical)
