"""How good the synthetic rows are, logged before training; a warning where they are hopeless."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

import lightning.pytorch as pl
import numpy as np

from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.generated import GeneratedTable
from lit_causalmix.metrics.quality import (
    MEASURES,
    check_measures,
    faults,
    lost_classes,
    quality_numbers,
)
from lit_causalmix.quiet import single_thread

_log = logging.getLogger(__name__)


class GeneratorQuality(pl.Callback):
    """Measures each table's synthetic rows when a fit starts, before the first training step.

    Logs `quality/<domain>/<name>`, the mean over the tables of a domain, to the trainer's
    loggers; what they are says `quality_numbers`. Rows are compared with the training rows
    of the generator, with validation rows as a reference where a measure needs one, never with
    test rows. A generator that is plainly broken (see `lit_causalmix.metrics.quality.verdict`) is
    told in one warning per table. Without synthetic rows it does nothing. It measures on the
    first process alone and steers nothing: a fit has the same bits with and without it.

    Args:
        n_rows: Synthetic rows to draw; null takes as many as there are training rows, and there
            are no more than `data.synthetic_size` leaves. More than 2,000 are not compared.
        measures: Which measures: shapes, trends, two_sample, precision_recall, closest_records,
            utility, global_utility, fpcad, faed, rfis; by default all. On 300 rows of 9 to 61
            columns global_utility takes 1 to 4 s of processor time, the others 1.5 to 3 s together:
            most of it two_sample, then rfis, faed and utility, and closest_records where there are
            many rows.
        seed: Source of all randomness of the measures; the rows are the datamodule's.

    Attributes:
        numbers: "domain/name" → value, after the fit has started.

    Raises:
        ConfigurationError: For an unknown measure, fewer than two rows or a negative seed.
    """

    def __init__(
        self, n_rows: int | None = None, measures: Sequence[str] = tuple(MEASURES), seed: int = 0
    ) -> None:
        check_measures(measures)
        if n_rows is not None and n_rows < 2:
            raise ConfigurationError(f"n_rows must be null or >= 2, got {n_rows}")
        if seed < 0:
            raise ConfigurationError(f"seed must be an integer >= 0, got {seed}")
        self.n_rows = n_rows
        self.measures = tuple(measures)
        self.seed = seed
        self.numbers: dict[str, float] = {}

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]:
        """`quality` for `report.json` and for the cells of a study."""
        return {"quality": dict(self.numbers)} if self.numbers else {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        datamodule = getattr(trainer, "datamodule", None)
        if not trainer.is_global_zero or not isinstance(datamodule, EpisodeDataModule):
            return
        collected: dict[str, list[float]] = defaultdict(list)
        for table in datamodule.generated_tables():
            for name, value in self._measure(table).items():
                if not np.isnan(value):
                    collected[f"{table.train.domain}/{name}"].append(value)
        self.numbers = {name: float(np.mean(values)) for name, values in collected.items()}
        if self.numbers:
            logged = {f"quality/{name}": value for name, value in self.numbers.items()}
            for logger in trainer.loggers:
                logger.log_metrics(logged, step=trainer.global_step)

    def _measure(self, table: GeneratedTable) -> dict[str, float]:
        train, rows = table.train, table.synthetic
        n = len(train) if self.n_rows is None else self.n_rows
        if rows.pool_size is not None:
            n = min(n, rows.pool_size)
        if n < 2:
            _log.warning(
                "the quality of %s rows is not measured, since there is %d: raise "
                "data.synthetic_size",
                train.name,
                n,
            )
            return {}
        synthetic = rows.draw(n, "quality")
        with single_thread():
            numbers = quality_numbers(
                train, table.held_out, synthetic, seed=self.seed, measures=self.measures
            )
        found = faults(numbers, lost_classes(train.schema, train.values, synthetic))
        if found:
            _log.warning(
                "%s is plainly broken on %s: %s",
                type(rows.generator).__name__,
                train.name,
                "; ".join(found),
            )
        return numbers
