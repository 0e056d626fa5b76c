"""An exponential moving average of the weights: what is scored, kept and returned."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.callbacks.evaluation import begins
from lit_causalmix.errors import ConfigurationError

_KEY = "ema_weights"


class EMAWeights(pl.Callback):
    """Averages the trained weights: average = decay * average + (1 - decay) * weights, each step.

    The average starts at the pre-trained weights [our choice: it stays near them, and zero-shot is
    its value before the first step]. Training goes on from the raw weights; validation, early
    stopping, the best weights, every checkpoint's `state_dict` and what a fit returns are the
    average.

    Lightning's `EMAWeightAveraging` does not do: it puts the raw weights back before
    `on_validation_end`, and is not asked when a weights-only checkpoint is written, so the best
    checkpoint would hold weights that were never scored; and a validation after the fit would
    score its last average in the place of the restored best weights.

    Args:
        decay: Weight of the past, at least 0 and below 1; about 1 / (1 - decay) steps are averaged.
            The default suits runs of some hundred steps; long ones take 0.999.

    Raises:
        ConfigurationError: If the decay lies outside [0, 1).
    """

    def __init__(self, decay: float = 0.98) -> None:
        if not 0.0 <= decay < 1.0:
            raise ConfigurationError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay
        self._other: dict[str, Tensor] = {}
        self._averaged = False
        self._step = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if begins(trainer, stage):  # one before it may have been broken off
            self._other, self._averaged = {}, False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trained = _trained(pl_module)
        if not self._other:
            self._other = {name: p.detach().clone() for name, p in trained.items()}
            self._averaged = False
        # A checkpoint may hold shorter numbers: averaging goes on in those of the weights.
        self._other = {name: self._other[name].to(p) for name, p in trained.items()}
        self._step = trainer.global_step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._put(pl_module, averaged=False)

    @torch.no_grad()
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == self._step:  # gradients are still being accumulated
            return
        self._step = trainer.global_step
        for name, parameter in _trained(pl_module).items():
            self._other[name].lerp_(parameter.to(self._other[name].dtype), 1.0 - self.decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # The average stays in place until the next training batch, so that whatever else happens
        # at the end of a validation finds the weights that were scored.
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._put(pl_module, averaged=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._put(pl_module, averaged=True)
        self._other = {}  # the fit is over: later loops leave the weights alone

    def _put(self, module: pl.LightningModule, *, averaged: bool) -> None:
        """Lets the module hold the average, or the raw weights, and keeps the other aside."""
        if self._averaged == averaged or not self._other:
            return
        for name, parameter in _trained(module).items():
            present = parameter.data.clone()
            parameter.data.copy_(self._other[name])
            self._other[name].copy_(present)
        self._averaged = averaged

    # -- checkpoints: `state_dict` is the average, the raw weights stand beside it ---------------

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not self._other:
            return
        present = {name: p.detach().clone() for name, p in _trained(pl_module).items()}
        raw, average = (self._other, present) if self._averaged else (present, self._other)
        checkpoint["state_dict"] = dict(checkpoint["state_dict"]) | average
        checkpoint[_KEY] = dict(raw)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if _KEY in checkpoint and trainer.state.fn == "fit":
            self._other = {name: value.clone() for name, value in checkpoint[_KEY].items()}
            self._averaged = True


def _trained(module: pl.LightningModule) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
