"""The best weights of a pre-training as a folder that `weights:` of a backbone takes."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import is_trial, monitored, run_folder
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


@runtime_checkable
class SavesPretrained(Protocol):
    """A backbone that can write itself as a folder."""

    def save_pretrained(self, folder: str | Path) -> None: ...


class PretrainedFolder(pl.Callback):
    """Writes the backbone with `save_pretrained` each time the monitored score is the lowest yet.

    An adapter is worked into the weights, so the folder is that of a plain backbone.

    Args:
        folder: Where to; null takes `weights` in the run's folder. A resumed run goes on writing
            to the folder of the run before.
        monitor: Logged metric to minimise.

    Attributes:
        best_score: Lowest value of the metric so far.
        best_step: Optimiser steps taken when it was reached.
    """

    def __init__(self, folder: str | None = None, monitor: str = "val/loss") -> None:
        self.folder = folder
        self.monitor = monitor
        self.best_score = math.inf
        self.best_step = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        _savable(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit" or is_trial(trainer):
            return
        score = monitored(trainer, self.monitor, self)
        if self.folder is None:
            self.folder = str(run_folder(trainer) / "weights")
        if score < self.best_score:  # False for NaN, too
            self.best_score, self.best_step = score, trainer.global_step
            if trainer.is_global_zero:
                _savable(pl_module, plain=True).save_pretrained(self.folder)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if math.isfinite(self.best_score):
            _log.info(
                "Pre-trained weights: step %d, %s %.5f, %s",
                self.best_step,
                self.monitor,
                self.best_score,
                self.folder,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"folder": self.folder, "score": self.best_score, "step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = state_dict["folder"]
        if folder is None or not Path(folder).is_dir():
            _log.warning(
                "The folder of the best weights %r is gone: selection starts again", folder
            )
            return
        self.folder = folder
        self.best_score = float(state_dict["score"])
        self.best_step = int(state_dict["step"])


def _savable(module: pl.LightningModule, *, plain: bool = False) -> SavesPretrained:
    """The backbone; `plain` without an adapter, whose weights are worked in."""
    task = module if isinstance(module, CausalMixTask) else None
    backbone = task and (task.plain_backbone() if plain else task.backbone)
    if not isinstance(backbone, SavesPretrained):
        raise ConfigurationError(
            "PretrainedFolder needs a CausalMixTask whose backbone has save_pretrained, such as "
            f"Tab2D, got {type(backbone or module).__name__}"
        )
    return backbone
