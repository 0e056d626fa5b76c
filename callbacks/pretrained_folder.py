"""The best weights of a pre-training as a folder that `weights:` of a backbone takes."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import VAL_LOSS, as_task, begins, is_trial, monitored
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.runs import run_folder
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

_NAME = "weights"
"""The folder in that of the run."""


@runtime_checkable
class SavesPretrained(Protocol):
    """A backbone that can write itself as a folder."""

    def save_pretrained(self, folder: str | Path) -> None: ...


class PretrainedFolder(FitCallback):
    """Writes the backbone with `save_pretrained` each time the monitored score is the lowest yet.

    In a fit that selects its weights (`BestWeights`), zero-shot among them, the folder holds what
    is selected. An adapter is worked into the weights, so it is that of a plain backbone.

    Args:
        folder: Where to; null takes `weights` in the run's folder. A resumed run goes on writing
            to the folder of the run before, wherever that was moved to.
        monitor: Logged metric to minimise where nothing selects.

    Attributes:
        best_score: Lowest value of the metric so far, of `val/loss` where weights are selected.
        best_step: Optimiser steps taken when it was reached.
    """

    def __init__(self, folder: str | None = None, monitor: str = VAL_LOSS) -> None:
        self.folder = folder
        self.monitor = monitor
        self.best_score = math.inf
        self.best_step = 0
        self._folder: Path | None = None
        self._resumed = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        _savable(pl_module)
        if begins(trainer, stage):
            self.best_score, self.best_step = math.inf, 0
            self._folder = None if self.folder is None else Path(self.folder)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit" or is_trial(trainer):
            return
        selected = as_task(pl_module).scoreboard.selected
        if selected is None:
            score = monitored(trainer, self.monitor, self)
            better = score < self.best_score  # False for NaN, too
        else:
            score, better = selected.score, selected.step == trainer.global_step
        if better:
            self._write(trainer, score, trainer.global_step)

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        selected = task.scoreboard.selected
        if selected is not None and not is_trial(trainer):
            self._write(trainer, selected.score, selected.step)
        if math.isfinite(self.best_score):
            _log.info(
                "Pre-trained weights: step %d, %s %.5f, %s",
                self.best_step,
                self.monitor if selected is None else VAL_LOSS,
                self.best_score,
                self._folder,
            )

    def _write(self, trainer: pl.Trainer, score: float, step: int) -> None:
        run = run_folder(trainer)
        if self._folder is None:
            self._folder = run / _NAME
        self.best_score, self.best_step = score, step
        if trainer.is_global_zero:
            _savable(trainer.lightning_module, plain=True).save_pretrained(self._folder)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.best_score, "step": self.best_step}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._resumed = str(trainer.ckpt_path)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self.folder is None:  # beside the checkpoint, or beside the folder that it lies in
            beside = [parent / _NAME for parent in Path(self._resumed).parents[:2]]
            self._folder = next((path for path in beside if path.is_dir()), None)
        if self._folder is None or not self._folder.is_dir():
            _log.warning(
                "The folder of the best weights of %s is gone: selection starts again",
                self._resumed,
            )
            return
        self.best_score = float(state_dict["score"])
        self.best_step = int(state_dict["step"])


def _savable(module: pl.LightningModule, *, plain: bool = False) -> SavesPretrained:
    """The backbone; `plain` without an adapter, whose weights are worked in."""
    task = module if isinstance(module, CausalMixTask) else None
    backbone = task and (task.kept_backbone() if plain else task.backbone)
    if not isinstance(backbone, SavesPretrained):
        raise ConfigurationError(
            "PretrainedFolder needs a CausalMixTask whose backbone has save_pretrained, such as "
            f"Tab2D, got {type(backbone or module).__name__}"
        )
    return backbone
