"""Drawing the synthetic rows of an episode as a pure function of (seed, epoch, index)."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.base import BalancedGenerator, Generator
from lit_causalmix.generators.parts.cache import draw_or_load
from lit_causalmix.seeding import rng

_ATTEMPTS = 5
_log = logging.getLogger(__name__)


class SyntheticRows:
    """Synthetic rows of one fitted generator.

    Either *unbounded*, fresh rows for every episode, or a *pool* of a fixed number of rows that
    are drawn once and then reused: the synthetic size of a scaling study.

    Args:
        generator: A fitted generator.
        n_classes: Classes of the target; 0 for regression.
        seed: The run's seed.
        pool_size: Rows of the pool, or None for unbounded fresh rows.
        balanced: Whether the rows that are trained on have each class in equal numbers.

    Raises:
        ConfigurationError: If the pool has no row, the generator is too slow to go without one, or
            it cannot balance classes.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        n_classes: int,
        seed: int,
        pool_size: int | None = None,
        balanced: bool = False,
    ) -> None:
        if pool_size is not None and pool_size < 1:
            raise ConfigurationError(f"a pool needs at least 1 synthetic row, got {pool_size}")
        if pool_size is None and generator.slow:
            raise ConfigurationError(
                f"{type(generator).__name__} is too slow to draw fresh rows for every episode: set "
                "synthetic_size to a number, such as 1 for as many rows as there are real ones"
            )
        if balanced and not isinstance(generator, BalancedGenerator):
            raise ConfigurationError(
                f"{type(generator).__name__} does not draw classes in equal numbers (it has no "
                "sample_balanced): set synthetic_classes to drawn, or take SCMGenerator"
            )
        self.generator = generator
        self.balanced = balanced
        self.n_classes = n_classes
        self.seed = seed
        self.pool_size = pool_size
        self._warned = False

    @cached_property
    def pool(self) -> NDArray[np.float64]:
        """The coded pool, float64 (pool_size, C + 1).

        Raises:
            ConfigurationError: If rows are unbounded, and there is none.
        """
        if self.pool_size is None:
            raise ConfigurationError("unbounded synthetic rows have no pool")
        return self._to_train_on(self.pool_size, rng(self.seed, "synthetic-pool"))

    def keep(self, folder: Path) -> None:
        """Takes the pool from a cache entry; where there is none, draws it now and makes one."""
        self.pool = draw_or_load(lambda: self.pool, folder)

    def draw(self, n: int, *keys: int | str) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1).

        Rows of a pool are drawn without replacement as long as it has enough of them.

        Args:
            n: Number of rows.
            *keys: What the rows belong to, such as `epoch, index`; same keys, same rows.
        """
        generator = rng(self.seed, "synthetic", *keys)
        if self.pool_size is None:
            return self._to_train_on(n, generator)
        return self.pool[generator.choice(self.pool_size, size=n, replace=n > self.pool_size)]

    def fresh(self, n: int, *keys: int | str) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), that stand in no pool, in the classes they have."""
        return self._covering(n, rng(self.seed, "synthetic", *keys))

    def _to_train_on(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        if not self.balanced:
            return self._covering(n, generator)
        assert isinstance(self.generator, BalancedGenerator)
        try:
            return self.generator.sample_balanced(n, generator)
        except GeneratorError as error:
            raise GeneratorError(f"{error}; or set synthetic_classes to drawn") from error

    def _covering(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows; while a class is missing, draws again and puts in rows of that class.

        Replacing single rows keeps the rest of the batch as drawn; a whole new batch would be
        thrown away again and again where a class is rare [our choice].
        """
        rows = self.generator.sample(n, generator)
        if self.n_classes == 0 or n < self.n_classes:
            return rows
        for _ in range(_ATTEMPTS):
            counts = np.bincount(rows[:, -1].astype(np.int64), minlength=self.n_classes)
            missing = np.flatnonzero(counts == 0)
            if not len(missing):
                return rows
            more = self.generator.sample(n, generator)
            for label in missing:
                found = np.flatnonzero(more[:, -1] == label)
                if len(found):
                    labels = rows[:, -1].astype(np.int64)
                    spare = np.flatnonzero(np.bincount(labels)[labels] > 1)
                    rows[generator.choice(spare)] = more[found[0]]
        if not self._warned and len(np.unique(rows[:, -1])) < self.n_classes:
            self._warned = True
            _log.warning(
                "%s produced no row of %d of %d classes in %d draws of %d rows; such a class comes "
                "from real rows alone",
                type(self.generator).__name__,
                self.n_classes - len(np.unique(rows[:, -1])),
                self.n_classes,
                _ATTEMPTS + 1,
                n,
            )
        return rows
