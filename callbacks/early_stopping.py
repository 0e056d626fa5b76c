"""Early stopping that counts zero-shot as the first score to beat."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from lit_causalmix.callbacks.evaluation import (
    VAL_LOSS,
    as_task,
    begins,
    check_monitor,
    check_validates,
)


class ZeroShotEarlyStopping(EarlyStopping):
    """Stops when `val/loss` has not improved on its best, zero-shot included, for a while.

    Zero-shot counts with the bar that the selection sets (`Selection.bar`). What `val/loss` is made
    of is the task's choice (`model.selection`); with `FixedBudget` training never stops early. A
    fit that was stopped stays so when it is resumed with the same patience.

    Args:
        monitor: `val/loss` and nothing else, as above.
        patience: Validations without an improvement after which training ends.
        min_delta: Smallest change that counts as an improvement.

    Raises:
        ConfigurationError: If another metric is to be monitored.
    """

    def __init__(self, monitor: str = VAL_LOSS, patience: int = 8, min_delta: float = 0.0) -> None:
        check_monitor(monitor, self)
        super().__init__(monitor, min_delta=min_delta, patience=patience, mode="min")

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a fit without validations.

        Raises:
            ConfigurationError: With the setting of the trainer.
        """
        check_validates(trainer, self)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if begins(trainer, stage):
            self.best_score = torch.tensor(torch.inf)
            self.wait_count = self.stopped_epoch = 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Lightning would take the patience of the checkpoint in the place of the configured one.
        super().load_state_dict({**state_dict, "patience": self.patience})
        if self.wait_count < self.patience:
            self.stopped_epoch = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = as_task(pl_module)
        if task.selection.keeps_last:
            return
        if task.selects_anew:
            self.wait_count = 0
        if task.selects_anew or not torch.isfinite(self.best_score):
            self.best_score = torch.tensor(task.zero_shot_bar(), dtype=torch.float64)
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # With max_steps below the first validation there is no score to stop by, nor a need.
        ended = trainer.global_step == trainer.max_steps
        unscored = ended and self.monitor not in trainer.callback_metrics
        if not unscored and not as_task(pl_module).selection.keeps_last:
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not as_task(pl_module).selection.keeps_last:
            super().on_validation_end(trainer, pl_module)
