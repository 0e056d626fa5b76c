"""Selection of the best weights, with zero-shot among the candidates."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from lit_causalmix.callbacks.evaluation import (
    VAL_LOSS,
    check_monitor,
    check_validates,
    is_trial,
    monitored,
)
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_tensors
from lit_causalmix.training.checkpoints import read_checkpoint
from lit_causalmix.training.kept_weights import check_seal
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.runs import run_folder
from lit_causalmix.training.scoreboard import Selected
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


class BestWeights(Checkpoint, FitCallback):
    """Selects the weights with the lowest `val/loss`, which a fit returns, and writes them.

    The pre-trained weights are the first candidate, so what a fit returns is never worse than
    zero-shot by the rows that it is selected by (`model.selection`); they stay where no validation
    gives a defined score. With `FixedBudget` the latest weights are always the best, and the last
    ones are what a fit returns.

    The task keeps the selected weights, its scoreboard says which they are
    (`task.scoreboard.selected`). Each new best is written at once as a weights-only checkpoint, so
    an interrupted run loses nothing; a resumed fit writes the best so far into its own folder. A
    complete checkpoint has a copy of its own, so that a fit goes on from it alone.

    Args:
        monitor: `val/loss` and nothing else; `model.selection` chooses the metric it is made of.
        filename: Name of the checkpoint in the run's folder.

    Attributes:
        best_model_path: The checkpoint file, empty before there is one; Lightning's
            `ckpt_path="best"` reads it.
        writes: Whether there is a file; the task keeps the selected weights either way.

    Raises:
        ConfigurationError: If another metric is to be monitored.
    """

    def __init__(self, monitor: str = VAL_LOSS, filename: str = "best.ckpt") -> None:
        super().__init__()
        check_monitor(monitor, self)
        self.filename = filename
        self.best_model_path = ""
        self.writes = True

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a fit without validations.

        Raises:
            ConfigurationError: With the setting of the trainer.
        """
        check_validates(trainer, self)

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        if task.scoreboard.selected is not None:
            return
        loss, bar = task.zero_shot_loss(), task.zero_shot_bar()
        with task.pretrained():  # also where trained weights go on, which are not zero-shot
            task.select(loss, step=0, bar=bar, file=self.filename)
            self._write(trainer)

    def on_scored(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        score, selected = monitored(trainer, VAL_LOSS, self), task.scoreboard.selected
        if selected is not None and task.selection.improves(score, selected.bar):
            task.select(score, step=trainer.global_step)
            self._write(trainer)

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        selected = task.scoreboard.selected
        if selected is None or not self.writes:
            return
        path = run_folder(trainer) / self.filename
        there = trainer.is_global_zero and _holds(path, selected)
        if trainer.strategy.broadcast(there):
            self.best_model_path = str(path)
        else:
            self._write(trainer)
        _log.info(
            "Best weights: step %d, %s %.5f, %s", selected.step, VAL_LOSS, selected.score, path
        )

    def _write(self, trainer: pl.Trainer) -> None:
        """Writes the present weights as the best ones; every rank has to call it."""
        if self.writes and not is_trial(trainer):
            self.best_model_path = str(run_folder(trainer) / self.filename)
            trainer.save_checkpoint(self.best_model_path, weights_only=True)


def _holds(path: Path, selected: Selected) -> bool:
    """Whether a file has the selected weights; one that is damaged is said."""
    if not path.is_file():
        return False
    try:
        content = read_checkpoint(path)
        check_seal(content)
        return of_tensors(content["state_dict"]) == selected.digest
    except ConfigurationError:
        _log.warning("%s is damaged: the selected weights are written again", path)
        return False
