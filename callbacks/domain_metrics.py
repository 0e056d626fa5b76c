"""Scores per domain, and normalised by zero-shot, in every validation and test."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import (
    Stage,
    as_logged,
    episode_datamodule,
    find_callback,
    log_scores,
)
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores, Score, normalized_scores
from lit_causalmix.training.selection import selection_of
from lit_causalmix.training.task import StepOutput


class DomainMetrics(pl.Callback):
    """Logs `stage/domain/metric` and, with a `ZeroShotBaseline`, `stage/domain/metric_normalized`.

    Domains are where a row comes from (`real`, `synthetic`, `perturbed`) and where its table comes
    from (`finance`, …; real rows only). `val/loss` is the metric that early stopping and the best
    weights follow: log-loss or RMSE over the real validation rows, or over those that the task's
    `selection` names. An undefined score is not logged; the reason is said once and kept in
    `undefined`.

    Attributes:
        scores: Stage → "domain/metric" → the latest score.
        normalized: The same, normalised by zero-shot, in percent.
        undefined: Metric name as logged → why it has no value.
    """

    def __init__(self) -> None:
        self.scores: dict[str, dict[str, Score]] = {}
        self.normalized: dict[str, dict[str, Score]] = {}
        self.undefined: dict[str, str] = {}
        self._collected: DomainScores | None = None

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a selection by synthetic validation rows where there are none.

        Raises:
            ConfigurationError: With what to set.
        """
        datamodule = getattr(trainer, "datamodule", None)
        domains = selection_of(trainer.lightning_module).weights()
        if "synthetic" in domains and not getattr(datamodule, "val_synthetic_rows", 0):
            raise ConfigurationError(
                f"model.selection {type(selection_of(trainer.lightning_module)).__name__} needs "
                "synthetic validation rows, and data.val_synthetic_rows is 0: set it, to 500 for "
                "example"
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
        if not trainer.sanity_checking:
            scores = self._finish(trainer, pl_module, "val")
            is_classification = episode_datamodule(trainer).is_classification
            loss = selection_of(pl_module).loss(scores, is_classification)
            pl_module.log("val/loss", as_logged(loss), prog_bar=True, sync_dist=True)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._finish(trainer, pl_module, "test")

    def _start(self, trainer: pl.Trainer) -> None:
        datamodule = episode_datamodule(trainer)
        self._collected = DomainScores(datamodule.is_classification, datamodule.domains)

    def _update(self, outputs: StepOutput, episode: Episode) -> None:
        if self._collected is not None:
            self._collected.update(outputs["predictions"], episode)

    def _finish(
        self, trainer: pl.Trainer, module: pl.LightningModule, stage: Stage
    ) -> dict[str, Score]:
        scores = self._collected.compute() if self._collected is not None else {}
        self._collected = None
        zero_shot = find_callback(trainer, ZeroShotBaseline)
        baseline = zero_shot.scores(stage) if zero_shot is not None else {}
        normalized = normalized_scores(scores, baseline)
        log_scores(module, stage, scores, normalized, self.undefined)
        self.scores[stage], self.normalized[stage] = scores, normalized
        return scores
