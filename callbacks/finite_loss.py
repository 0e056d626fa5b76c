"""An end to a fit whose loss is no number, with the episode that showed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.callbacks.evaluation import is_trial
from lit_causalmix.episode import Episode
from lit_causalmix.errors import FileError, LitCausalMixError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.training.runs import local_folder


class LossError(LitCausalMixError, ArithmeticError):
    """The training loss is infinite or not a number."""


class FiniteLoss(pl.Callback):
    """Stops a fit at the first loss that is infinite or not a number, before it moves a weight.

    The command line adds it to every fit. The episode is kept in the run's folder, with the step,
    so that the moment can be replayed (`read_episodes`); the best weights and the last checkpoint
    stay as they are.

    Args:
        filename: The file that takes the episode.

    Raises:
        LossError: Out of `Trainer.fit`.
    """

    def __init__(self, filename: str = "not_finite.pt") -> None:
        self.filename = filename
        self._batch: Episode | Sequence[Episode] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        if bool(torch.isfinite(loss)):
            return
        loss = loss.detach()
        place = f"step {trainer.global_step}, epoch {trainer.current_epoch}"
        kept = "" if is_trial(trainer) else f"; the episode is kept in {self._keep(trainer)}"
        raise LossError(
            f"the training loss is {float(loss)} at {place}, batch {trainer.fit_loop.batch_idx} of "
            f"rank {trainer.global_rank}{kept}; the best weights so far stay: lower "
            "model.optimizer's rate, or look for extreme values in the table"
        )

    def _keep(self, trainer: pl.Trainer) -> Path:
        # Not `run_folder`, which waits for the other ranks: their losses may be finite.
        path = local_folder(trainer) / self.filename
        episodes = [self._batch] if isinstance(self._batch, Episode) else self._batch
        content = {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "batch": trainer.fit_loop.batch_idx,
            "rank": trainer.global_rank,
            "episodes": [
                {field.name: getattr(episode, field.name) for field in fields(episode)}
                for episode in episodes
            ],
        }
        with replacing(path) as scratch:
            torch.save(content, scratch)
        return path


def read_episodes(path: Path) -> list[Episode]:
    """The episodes that a fit stopped at.

    Raises:
        FileError: If the file holds none.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "episodes" not in content:
        raise FileError(f"{path} holds no episodes")
    return [Episode(**values) for values in content["episodes"]]
