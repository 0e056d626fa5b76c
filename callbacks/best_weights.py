"""Selection of the best weights, with zero-shot among the candidates."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint

from lit_causalmix.callbacks.evaluation import (
    episode_datamodule,
    find_callback,
    is_trial,
    monitored,
    run_folder,
)
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.training.selection import selection_of

_log = logging.getLogger(__name__)


def zero_shot_scores(trainer: pl.Trainer) -> Mapping[str, Score]:
    """The validation scores of zero-shot, "domain/metric" → score.

    Raises:
        ConfigurationError: If nothing has measured them.
    """
    baseline = find_callback(trainer, ZeroShotBaseline)
    if baseline is None:
        raise ConfigurationError(
            "selection with zero-shot as a candidate needs the callback ZeroShotBaseline, listed "
            "before it in trainer.callbacks"
        )
    if not baseline.scores("val"):
        raise ConfigurationError(
            "the zero-shot score is not measured yet: list ZeroShotBaseline first in "
            "trainer.callbacks"
        )
    return baseline.scores("val")


def zero_shot_loss(trainer: pl.Trainer) -> float:
    """The zero-shot value of `val/loss`, by the same selection as every other."""
    is_classification = episode_datamodule(trainer).is_classification
    return selection_of(trainer.lightning_module).loss(zero_shot_scores(trainer), is_classification)


def zero_shot_bar(trainer: pl.Trainer) -> float:
    """The `val/loss` below which weights take the place of zero-shot.

    Infinite where zero-shot has no defined score: any defined one is then an improvement.
    """
    is_classification = episode_datamodule(trainer).is_classification
    selection = selection_of(trainer.lightning_module)
    bar = selection.bar(zero_shot_scores(trainer), is_classification)
    return math.inf if math.isnan(bar) else bar


class BestWeights(Checkpoint):
    """Keeps the weights with the lowest `val/loss` and restores them when training ends.

    The pre-trained weights are the first candidate, so what a fit returns is never worse than
    zero-shot by the rows that it is selected by (`model.selection`); they stay where no validation
    gives a defined score. With `FixedBudget` the latest weights are always the best, and the last
    ones are what a fit returns. Each new best is written at once as a weights-only checkpoint, so
    an interrupted run loses nothing.

    Args:
        monitor: Logged metric to minimise.
        filename: Name of the checkpoint in the run's folder.

    Attributes:
        best_score: Value of the metric of the best weights so far.
        bar: Value below which other weights take their place; it differs from `best_score` where
            the selection asks for more before it leaves zero-shot.
        best_step: Optimiser steps taken when it was reached; 0 is zero-shot.
        best_model_path: The checkpoint file, empty before there is one; Lightning's
            `ckpt_path="best"` reads it.
    """

    def __init__(self, monitor: str = "val/loss", filename: str = "best.ckpt") -> None:
        super().__init__()
        self.monitor = monitor
        self.filename = filename
        self.best_score = math.inf
        self.bar = math.inf
        self.best_step = 0
        self.best_model_path = ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.best_model_path or trainer.global_step or is_trial(trainer):
            return  # weights that were trained already are not zero-shot
        self.keep(trainer, zero_shot_loss(trainer), step=0)
        self.bar = zero_shot_bar(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit" or is_trial(trainer):
            return
        self._consider(trainer, pl_module, monitored(trainer, self.monitor, self))

    def _consider(self, trainer: pl.Trainer, module: pl.LightningModule, score: float) -> None:
        if selection_of(module).improves(score, self.bar):
            self.keep(trainer, score, step=trainer.global_step)

    def keep(self, trainer: pl.Trainer, score: float, *, step: int) -> None:
        """Writes the present weights as the best ones; every rank has to call it.

        Args:
            trainer: The trainer.
            score: Their value of the metric.
            step: Optimiser steps that led to them.
        """
        self.best_score, self.bar, self.best_step = score, score, step
        self.best_model_path = str(run_folder(trainer) / self.filename)
        trainer.save_checkpoint(self.best_model_path, weights_only=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.best_model_path:
            return
        if selection_of(pl_module).keeps_last and self.best_step != trainer.global_step:
            self.keep(trainer, math.nan, step=trainer.global_step)  # trained on since validation
        checkpoint = torch.load(
            self.best_model_path, map_location=pl_module.device, weights_only=True
        )
        pl_module.load_state_dict(checkpoint["state_dict"])
        _log.info(
            "Best weights: step %d, %s %.5f, %s",
            self.best_step,
            self.monitor,
            self.best_score,
            self.best_model_path,
        )

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "bar": self.bar,
            "best_step": self.best_step,
            "best_model_path": self.best_model_path,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        path = str(state_dict["best_model_path"])
        if not Path(path).is_file():
            _log.warning("The best checkpoint %r is gone: selection starts again", path)
            return
        self.best_score = float(state_dict["best_score"])
        self.bar = float(state_dict["bar"])
        self.best_step = int(state_dict["best_step"])
        self.best_model_path = path
