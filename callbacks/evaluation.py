"""What several callbacks ask of a trainer and its task."""

from __future__ import annotations

import logging
import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.training.scoreboard import Sheet
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

VAL_LOSS = "val/loss"
"""The logged loss that weights are selected by; `model.selection` says what it is made of."""


def episode_datamodule(trainer: pl.Trainer) -> EpisodeDataModule[Any]:
    """Returns the trainer's datamodule.

    Raises:
        ConfigurationError: If it does not stream episodes.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, EpisodeDataModule):
        raise ConfigurationError(
            "this callback needs a datamodule that streams episodes, such as CausalMixDataModule, "
            f"got {type(datamodule).__name__}"
        )
    return datamodule


def as_task(module: pl.LightningModule) -> CausalMixTask:
    """The module, which has to be a `CausalMixTask`."""
    if not isinstance(module, CausalMixTask):
        raise TypeError(f"expected a CausalMixTask, got {type(module).__name__}")
    return module


def all_callbacks(trainer: pl.Trainer) -> list[pl.Callback]:
    """The trainer's callbacks, in their order."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def require_callback(trainer: pl.Trainer, kind: type[pl.Callback], by: pl.Callback) -> None:
    """Refuses a trainer without a callback that another one builds on, wherever it is listed.

    Raises:
        ConfigurationError: With the names of both.
    """
    if not any(isinstance(callback, kind) for callback in all_callbacks(trainer)):
        raise ConfigurationError(
            f"{type(by).__name__} needs the callback {kind.__name__} in trainer.callbacks"
        )


def check_scored_rows(trainer: pl.Trainer, by: pl.Callback) -> None:
    """Refuses to leave rows out that are scored: zero-shot is scored on all of them.

    Raises:
        ConfigurationError: With the setting of the trainer.
    """
    if is_trial(trainer):
        return
    if trainer.overfit_batches:  # type: ignore[attr-defined]
        raise ConfigurationError(
            "trainer.overfit_batches would score other rows than the validation's, got "
            f"{trainer.overfit_batches}: lower data.episodes_per_epoch, and leave it 0"  # type: ignore[attr-defined]
        )
    for name in ("limit_val_batches", "limit_test_batches"):
        limit = getattr(trainer, name)
        if limit != 0 and not (isinstance(limit, float) and limit == 1.0):
            raise ConfigurationError(
                f"{type(by).__name__} compares scores of all rows with zero-shot's: trainer.{name} "
                f"must be 1.0 (all of them) or 0 (no such scores), got {limit!r}"
            )


def check_validates(trainer: pl.Trainer, by: pl.Callback) -> None:
    """Refuses a fit that trains without a validation to select by, where one is to select.

    Raises:
        ConfigurationError: With the setting of the trainer that leaves them out.
    """
    check_scored_rows(trainer, by)
    if as_task(trainer.lightning_module).selection.keeps_last:
        return
    if trainer.limit_val_batches == 0:
        wrong = "trainer.limit_val_batches must be 1.0, got 0"
    else:
        # Nothing is known beforehand of a datamodule that makes its stream in `setup`.
        episodes = getattr(episode_datamodule(trainer), "epoch_length", None)
        each = 0 if episodes is None else batches_of_epoch(trainer, episodes)
        total, first = batches_of_fit(trainer, each), _first_validation(trainer, each)
        if not each or total is None or first is None or not 0 < total < first:
            return
        wrong = (
            f"the fit ends after {total} training batches, and their first time is after {first}: "
            "raise trainer.max_steps or max_epochs, or lower data.episodes_per_epoch, "
            "trainer.check_val_every_n_epoch or val_check_interval"
        )
    raise ConfigurationError(
        f"{type(by).__name__} selects by the validation rows, which are never scored: {wrong}"
    )


def batches_of_epoch(trainer: pl.Trainer, episodes: int) -> int:
    """Training batches of an epoch on each rank, of so many episodes over all ranks."""
    batches = -(-episodes // trainer.world_size)
    limit = trainer.limit_train_batches  # a number of batches, or a share of them
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def batches_of_fit(trainer: pl.Trainer, each: int) -> int | None:
    """Training batches on each rank, by `max_epochs` and `max_steps`; None for a fit without end.

    Args:
        trainer: Of the fit.
        each: Batches of an epoch.
    """
    epochs, steps = trainer.max_epochs, trainer.max_steps
    accumulated: int = trainer.accumulate_grad_batches
    lengths = []
    if epochs is not None and epochs >= 0:
        lengths.append(epochs * each)
    if steps >= 0 and each:
        whole, rest = divmod(steps, -(-each // accumulated))  # an epoch's end makes a step, too
        lengths.append(whole * each + rest * accumulated)
    return min(lengths, default=None)


def _first_validation(trainer: pl.Trainer, each: int) -> int | None:
    """Batches up to the first validation; None where it is set by time."""
    interval, every = trainer.val_check_interval, trainer.check_val_every_n_epoch
    if not isinstance(interval, int | float):
        return None
    within = interval if isinstance(interval, int) else int(each * interval)
    return within if every is None else (every - 1) * each + max(1, min(within, each))


def is_trial(trainer: pl.Trainer) -> bool:
    """Whether this is a `fast_dev_run`, which must leave no files behind."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def begins(trainer: pl.Trainer, stage: str) -> bool:
    """Whether `setup` is that of a new fit, for which a callback forgets the one before.

    What a checkpoint knows of a fit that goes on is loaded after it.
    """
    return stage == "fit" and trainer.global_step == 0


def monitored(trainer: pl.Trainer, metric: str, by: pl.Callback) -> float:
    """The logged value of a metric that a callback selects by.

    Raises:
        ConfigurationError: If nothing logs it, with what there is.
    """
    if metric not in trainer.callback_metrics:
        raise ConfigurationError(
            f"{type(by).__name__} monitors {metric!r}, which nothing logs: there are "
            f"{', '.join(sorted(trainer.callback_metrics))}"
        )
    return float(trainer.callback_metrics[metric])


def check_monitor(monitor: str, by: pl.Callback) -> None:
    """Refuses to compare another metric with zero-shot, whose bar the selection alone sets.

    Raises:
        ConfigurationError: With what chooses the metric.
    """
    if monitor != VAL_LOSS:
        raise ConfigurationError(
            f"{type(by).__name__} compares {VAL_LOSS} with that of zero-shot, and cannot monitor "
            f"{monitor!r}: choose the metric by model.selection"
        )


def log_sheet(module: pl.LightningModule, sheet: Sheet, undefined: dict[str, str]) -> None:
    """Logs `stage/domain/metric` and `stage/domain/metric_normalized`.

    An undefined score is not logged; its reason is said once and kept in `undefined`, under the
    name it would have had.
    """
    for key, score in sheet.scores.items():
        name = f"{sheet.stage}/{key}"
        if score.note and name not in undefined:
            _log.warning("%s: %s", name, score.note)
        _log_defined(module, name, score, undefined)
    for key, score in sheet.normalized.items():
        _log_defined(module, f"{sheet.stage}/{key}_normalized", score, undefined)


def log_history(trainer: pl.Trainer, task: CausalMixTask) -> None:
    """Hands the validations that a fit begins with to its loggers: zero-shot, and those before.

    They stand at the steps at which Lightning logs validations: that of the last batch.
    """
    classifies = episode_datamodule(trainer).is_classification
    for entry in task.scoreboard.history:
        values = {f"val/{key}": s.value for key, s in entry.scores.items() if s.defined}
        loss = task.selection.loss(entry.scores, classifies)
        if math.isfinite(loss):
            values[VAL_LOSS] = loss
        for logger in trainer.loggers:
            logger.log_metrics(values, step=max(entry.step - 1, 0))


def as_logged(value: float) -> Tensor:
    """A number as Lightning keeps it whole: a plain float would be rounded to float32.

    The weights are selected by logged scores, and an RMSE may lie outside of float32's range.
    """
    return torch.tensor(value, dtype=torch.float64)


def _log_defined(
    module: pl.LightningModule, name: str, score: Score, undefined: dict[str, str]
) -> None:
    if score.defined:
        module.log(name, as_logged(score.value), sync_dist=True)
    else:
        undefined[name] = score.note
