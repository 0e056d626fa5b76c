"""One bar for a whole fit on a terminal, a line per validation in a log."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar

from lit_causalmix.bars import Bar


class FitProgress(ProgressBar):
    """Shows how many steps a fit has taken, its losses, and on a terminal the time left.

    The command line uses it in place of Lightning's bars, which draw one for each epoch and each
    validation, unless a configuration names another progress bar. Where stderr is no terminal it
    writes a line for each validation, and nothing between two of them that are less than half a
    minute apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: Bar | None = None
        self._shown = True

    def enable(self) -> None:
        self._shown = True

    def disable(self) -> None:
        self._shown = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        steps = trainer.estimated_stepping_batches
        self._bar = Bar(
            total=int(steps) if steps != float("inf") else None,
            initial=trainer.global_step,
            desc="fine-tuning",
            unit="step",
            disable=not self._shown,
        )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._advance(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is None or trainer.sanity_checking:
            return
        self._advance(trainer, pl_module)
        self._bar.write()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def _advance(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is None:
            return
        metrics = self.get_metrics(trainer, pl_module)
        losses = {name: value for name, value in metrics.items() if isinstance(value, float)}
        self._bar.tell(", ".join(f"{name} {value:.4g}" for name, value in losses.items()))
        self._bar.update(trainer.global_step - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
