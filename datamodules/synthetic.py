"""The synthetic rows of one table: their generator, fitted or found in the cache, and its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.files.digests import of_json
from lit_causalmix.files.entries import seconds_spent
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.cache import draw_or_load, fit_or_load
from lit_causalmix.generators.parts.confidence import ConfidentRows
from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.tables import Table
from lit_causalmix.tables.episodes import EpisodeParts
from lit_causalmix.training.schedules import EpisodeSchedule


class SyntheticSource:
    """Fits a generator on a training split, once, and draws its rows for every use.

    What is slow is kept: the fit, and of a slow generator all rows that are ever used. All of it is
    a function of the generator, the training split and the seed.

    Args:
        generator: The generator, fitted or not.
        train: The training split; no other rows are ever seen.
        n_classes: Classes of the target; 0 for regression.
        size: Rows to train on in all, as a multiple of the training rows; None or 0 draws fresh
            rows for every episode.
        seed: The run's seed.
        cache_dir: Where fits and rows are kept.
        progress: Whether discovery and fitting draw progress bars.
        balanced: Whether the rows to train on have each class in equal numbers.

    Attributes:
        rows: The rows to train on.

    Raises:
        ConfigurationError: If the generator is too slow for fresh rows, or cannot balance classes.
        GeneratorError: If the table cannot be modelled.
        FileError: If the cache cannot be written.
    """

    def __init__(
        self,
        generator: Generator,
        train: Table,
        *,
        n_classes: int,
        size: float | None,
        seed: int,
        cache_dir: Path,
        progress: bool,
        balanced: bool = False,
    ) -> None:
        self.train = train
        self.seed = seed
        pool = max(1, round(size * len(train))) if size else None
        # Made first, because it refuses a pool that does not suit the generator.
        self.rows = SyntheticRows(
            generator, n_classes=n_classes, seed=seed, pool_size=pool, balanced=balanced
        )
        generator.progress = progress
        self._fit = fit_or_load(generator, train, seed=seed, root=cache_dir, progress=progress)
        self._entries = [self._fit]
        if generator.slow:
            # Drawn on the rank that prepares the data; the others find it in the cache.
            kept = self._entry(f"pool-{pool}{'-balanced' if balanced else ''}")
            self.rows.keep(kept)
            self._entries.append(kept)
        if balanced:  # a class that is hardly ever drawn is told now, not after some steps
            self.rows.draw(n_classes, "every-class")

    @property
    def seconds(self) -> float:
        """Processor time that the fit and the kept pool took, whoever made them."""
        return sum(map(seconds_spent, self._entries))

    def to_score(self, n: int) -> EpisodeParts:
        """Rows to be scored beside real validation rows, apart from all that are trained on."""
        return EpisodeParts.synthetic(self._apart(n, "validation"))

    def by_confidence(self, share: EpisodeSchedule) -> ConfidentRows:
        """The rows to train on, of which the most plausible share is admitted."""
        examples = self._apart(len(self.train), "confidence")
        return ConfidentRows(self.rows, self.train, examples, share=share, seed=self.seed)

    def _apart(self, n: int, use: str) -> NDArray[np.float64]:
        """Rows for another use than training, never from the pool that is trained on."""
        if not self.rows.generator.slow:
            return self.rows.fresh(n, use)
        return draw_or_load(lambda: self.rows.fresh(n, use), self._entry(f"{use}-{n}"))

    def _entry(self, ending: str) -> Path:
        drawn = self.rows.generator.draw_settings()
        told = f"{of_json(drawn)[:16]}-" if drawn else ""
        return self._fit.with_name(f"{self._fit.name}-{told}{ending}")
