"""The zero-shot score of the model: what fine-tuning is measured against."""

from __future__ import annotations

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import as_task, check_scored_rows, log_history
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.task import CausalMixTask


class ZeroShotBaseline(FitCallback):
    """Has the pre-trained weights scored on the rows that the fine-tuned ones will be scored on.

    The task copies its pre-trained weights (on the CPU) before any checkpoint is restored, so a
    baseline can be had at any time: before the first training step, or when a checkpoint is tested
    on another table. The scores stand in the task's scoreboard, travel in every checkpoint and are
    used again only for the very same rows. The loggers get those of the validation rows as step 0,
    so that every curve begins there; those of a fit that goes on get the validations before it.
    """

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses limits that leave rows out, which zero-shot is scored on.

        Raises:
            ConfigurationError: With the setting of the trainer.
        """
        check_scored_rows(trainer, self)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.check_run(trainer)  # of a validation or a test, too

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        task.zero_shot("val")
        log_history(trainer, task)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":  # in a fit, it was measured before the first step
            as_task(pl_module).zero_shot("val")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        as_task(pl_module).zero_shot("test")
