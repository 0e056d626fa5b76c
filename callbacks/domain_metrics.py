"""Scores per domain, and normalised by zero-shot, in every validation and test."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import (
    VAL_LOSS,
    as_logged,
    as_task,
    episode_datamodule,
    log_sheet,
)
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores, Score
from lit_causalmix.training.scoreboard import Stage, Validation
from lit_causalmix.training.scoring import scores_of
from lit_causalmix.training.task import CausalMixTask, StepOutput


class DomainMetrics(pl.Callback):
    """Logs `stage/domain/metric` and, where zero-shot is known, `stage/domain/metric_normalized`.

    Domains are where a row comes from (`real`, `synthetic`, `perturbed`) and where its table comes
    from (`finance`, …; real rows only). `val/loss` is the metric that early stopping and the best
    weights follow: log-loss or RMSE over the real validation rows, or over those that the task's
    `selection` names. All scores stand in the task's scoreboard. An undefined score is not logged;
    the reason is said once and kept in `task.scoreboard.undefined`.
    """

    def __init__(self) -> None:
        self._collected: DomainScores | None = None

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a selection by synthetic validation rows where there are none.

        Raises:
            ConfigurationError: With what to set.
        """
        datamodule = getattr(trainer, "datamodule", None)
        selection = as_task(trainer.lightning_module).selection
        if "synthetic" in selection.weights() and not getattr(datamodule, "val_synthetic_rows", 0):
            raise ConfigurationError(
                f"model.selection {type(selection).__name__} needs synthetic validation rows, and "
                "data.val_synthetic_rows is 0: set it, to 500 for example"
            )

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start(trainer)

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start(trainer)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._update(outputs, batch)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._update(outputs, batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        task = as_task(pl_module)
        scores = self._finish(task, "val")
        if trainer.state.fn == "fit":
            passed = task.scoreboard.take_passed()
            task.scoreboard.add(Validation(trainer.global_step, scores, passed))
        loss = task.selection.loss(scores, episode_datamodule(trainer).is_classification)
        task.log(VAL_LOSS, as_logged(loss), prog_bar=True, sync_dist=True)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._finish(as_task(pl_module), "test")

    def _start(self, trainer: pl.Trainer) -> None:
        datamodule = episode_datamodule(trainer)
        metrics = as_task(trainer.lightning_module).metrics
        self._collected = scores_of(datamodule, datamodule.domains, metrics)

    def _update(self, outputs: StepOutput, episode: Episode) -> None:
        if self._collected is not None:
            self._collected.update(outputs["predictions"], episode)

    def _finish(self, task: CausalMixTask, stage: Stage) -> dict[str, Score]:
        board = task.scoreboard
        sheet = board.sheet(stage, rows=task.rows(stage))
        sheet.scores = self._collected.compute() if self._collected is not None else {}
        self._collected = None
        log_sheet(task, sheet, board.undefined)
        return sheet.scores
