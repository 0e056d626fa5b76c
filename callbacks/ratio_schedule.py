"""A share of synthetic rows that changes in the course of a fit."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.scheduling import mixing_datamodule, over_the_fit
from lit_causalmix.training.schedules import EpisodeSchedule, Schedule


class RatioSchedule(pl.Callback):
    """Lets the share of synthetic rows follow a schedule over the fit.

    The ratio is a function of the episode's place (epoch, index) alone, so it is the same with any
    number of workers and after a restart. It takes the place of `data.synthetic_ratio`, which only
    has to be above 0, and is logged as `train/synthetic_ratio`. Its length is that of the trainer;
    a resumed fit has to have the same one for the same bits.

    Args:
        schedule: The ratio, 0 to 1, as a function of progress.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._ratio: EpisodeSchedule | None = None

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a fit without an end, ratios outside [0, 1], and one without synthetic rows.

        Raises:
            ConfigurationError: With the value received and what to do.
        """
        ratio = over_the_fit(self.schedule, trainer, self, zero=True)
        mixing_datamodule(trainer, self).foresee_ratios(ratio.range())

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            ratio = over_the_fit(self.schedule, trainer, self, zero=True)
            datamodule = mixing_datamodule(trainer, self)
            datamodule.schedule_ratio(ratio)
            self._ratio = ratio if datamodule.trains_on_synthetic_rows else None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._ratio is not None:
            index = batch_idx * trainer.world_size + trainer.global_rank
            ratio = self._ratio(trainer.current_epoch, index)
            pl_module.log("train/synthetic_ratio", ratio, batch_size=1)
