"""Generators that are kept as a recipe and learned again where they are needed."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import check_rows
from lit_causalmix.errors import GeneratorError
from lit_causalmix.files import state as store
from lit_causalmix.files.digests import of_array
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.saved import read_state, settings_text
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.table import Table

STATE = "recipe"
"""Name of the files that `RefittedGenerator.save` writes."""

_PROBE_ROWS = 32

Learned = TypeVar("Learned")


@dataclass(frozen=True)
class Recipe:
    """What a generator was learned from, and a trace of what came of it.

    Attributes:
        settings: Of the generator, as JSON.
        fingerprint: Of the training table.
        seed: Of the fit.
        probe: SHA-256 over a few rows that the fitted generator draws.
    """

    settings: str
    fingerprint: str
    seed: int
    probe: str


class RefittedGenerator(Generator, Generic[Learned]):
    """A generator whose saved state is its recipe: settings, training table and seed.

    It suits what is learned in no time, and models that have no format but a pickle. `load` learns
    again from the training rows, and compares the bits of a few rows with those of then: another
    machine or library may round differently, and is refused.

    A subclass implements two pure functions, `learn` and `draw`.
    """

    def __init__(self) -> None:
        self._fitted: tuple[Learned, Recipe] | None = None

    @abstractmethod
    def learn(self, train: Table, *, seed: int, progress: bool) -> Learned:
        """Learns from the training split; the same arguments give the same bits."""

    @abstractmethod
    def draw(self, learned: Learned, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws a coded matrix, float64 (n, C + 1), from what was learned."""

    @property
    def learned(self) -> Learned:
        """What was learned.

        Raises:
            GeneratorError: If there was no `fit` or `load` before.
        """
        return self._state()[0]

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        check_rows(train)
        with single_thread():
            learned = self.learn(train, seed=seed, progress=progress)
        recipe = Recipe(
            settings_text(self), train.fingerprint(), seed, self._probe(learned, seed=seed)
        )
        self._fitted = learned, recipe

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.draw(self.learned, n, rng)

    def save(self, folder: Path) -> None:
        store.write(folder, STATE, self._state()[1])

    def load(self, folder: Path, train: Table) -> None:
        recipe = read_state(
            folder, STATE, Recipe, {Recipe.__name__: Recipe}, generator=self, train=train
        )
        with single_thread():
            learned = self.learn(train, seed=recipe.seed, progress=False)
        if self._probe(learned, seed=recipe.seed) != recipe.probe:
            raise GeneratorError(
                f"the recipe in {folder} gives other rows here than where it was written, as the "
                "machine or a library differs: fit again"
            )
        self._fitted = learned, recipe

    def _probe(self, learned: Learned, *, seed: int) -> str:
        rows = self.draw(learned, _PROBE_ROWS, rng_for(seed, "probe"))
        return of_array(rows)

    def _state(self) -> tuple[Learned, Recipe]:
        if self._fitted is None:
            raise GeneratorError(f"{type(self).__name__} is not fitted: call fit or load first")
        return self._fitted
