"""What callbacks share that let the synthetic rows follow a schedule over a fit."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import (
    batches_of_epoch,
    batches_of_fit,
    episode_datamodule,
)
from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.schedules import EpisodeSchedule, Progress, Schedule


def mixing_datamodule(trainer: pl.Trainer, by: pl.Callback) -> EpisodeDataModule[Any]:
    """Returns the trainer's datamodule.

    One whose generator was given up has nothing to schedule any more, and takes any schedule.

    Raises:
        ConfigurationError: If it is to train on real rows alone.
    """
    datamodule = episode_datamodule(trainer)
    if not (datamodule.trains_on_synthetic_rows or datamodule.given_up):
        raise ConfigurationError(
            f"{type(by).__name__} has no synthetic rows to schedule: set data.synthetic_ratio "
            "above 0, and data.synthetic_size to null or above 0"
        )
    return datamodule


def run_progress(trainer: pl.Trainer, episodes_per_epoch: int, by: pl.Callback) -> Progress:
    """The progress of this trainer's fit, from `max_epochs` and `max_steps`, whichever ends first.

    Raises:
        ConfigurationError: If the fit has no end.
    """
    batches, ranks = batches_of_epoch(trainer, episodes_per_epoch), trainer.world_size
    total = batches_of_fit(trainer, batches)
    if total is None:
        raise ConfigurationError(
            f"{type(by).__name__} needs to know how long the fit is, and max_epochs is "
            f"{trainer.max_epochs}, max_steps {trainer.max_steps}: set trainer.max_epochs or "
            "trainer.max_steps"
        )
    return Progress(per_epoch=batches * ranks, total=total * ranks)


def over_the_fit(
    schedule: Schedule, trainer: pl.Trainer, by: pl.Callback, *, zero: bool
) -> EpisodeSchedule:
    """Spreads a schedule of shares over the episodes of this trainer's fit.

    Args:
        schedule: Of shares up to 1.
        trainer: Its datamodule mixes rows.
        by: The callback that asks, for messages.
        zero: Whether a share may be 0.

    Raises:
        ConfigurationError: If the datamodule does not fit, the fit has no end, or a share lies out
            of range.
    """
    datamodule = mixing_datamodule(trainer, by)
    episodes = EpisodeSchedule(schedule, run_progress(trainer, datamodule.epoch_length, by))
    low, high = episodes.range()
    if not ((low >= 0.0 if zero else low > 0.0) and high <= 1.0):
        raise ConfigurationError(
            f"the shares of a {type(by).__name__} must lie in {'[' if zero else '('}0, 1], "
            f"{schedule} has {low:g} to {high:g}"
        )
    return episodes
