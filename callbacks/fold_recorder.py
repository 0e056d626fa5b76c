"""What a fold of an ensemble leaves for the choice of a step, and what a member predicts."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lit_causalmix.callbacks.evaluation import all_callbacks, as_task, require_callback
from lit_causalmix.callbacks.interpolation import WeightInterpolation
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.deadlines import check
from lit_causalmix.ensembles.held_out import HeldOut, Weights, save_weights
from lit_causalmix.ensembles.predictions import Predicted
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.kept_weights import copied
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.runs import run_folder
from lit_causalmix.training.scoring import stage_predictions
from lit_causalmix.training.task import CausalMixTask


class FoldRecorder(FitCallback):
    """Keeps predictions for the validation rows, and the weights, at every validation of a fit.

    It stands in the fits of an ensemble's folds (`lit_causalmix.ensembles`), in the place of early
    stopping and of the best weights: the step is chosen when all folds have ended. Everything goes
    to the run's folder. Zero-shot is the first moment.

    Raises:
        ConfigurationError: Before the fit, for several devices, without `ZeroShotBaseline`, or
            with `WeightInterpolation`, which chooses weights by the rows of one fold.
    """

    def __init__(self) -> None:
        self._moments: dict[int, Predicted] = {}
        self._pairs: list[tuple[Tensor, Episode]] = []
        self._start: Weights = {}

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a fit that cannot be a fold."""
        require_callback(trainer, ZeroShotBaseline, self)
        if trainer.world_size > 1:
            raise ConfigurationError(
                f"a fold is fitted on one device, got {trainer.world_size}: set trainer.devices to "
                "1; folds run side by side by --jobs"
            )
        if any(isinstance(callback, WeightInterpolation) for callback in all_callbacks(trainer)):
            raise ConfigurationError(
                "folds choose one step for all of them, so WeightInterpolation, which chooses "
                "weights by the rows of one, cannot take part: leave one of the two out"
            )

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        check()
        with task.pretrained():
            self._start = copied(task)
            self._moments = {0: Predicted.of(stage_predictions(trainer, task, "val"))}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        check()  # a comparison that is out of time ends its fits

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._pairs = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not trainer.sanity_checking:
            self._pairs.append((outputs["predictions"], batch))

    def on_scored(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        step = trainer.global_step
        self._moments[step] = Predicted.of(self._pairs)
        self._pairs = []
        save_weights(run_folder(trainer), step, copied(task), self._start)

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        HeldOut(self._moments).save(run_folder(trainer))


class MemberPredictions(pl.Callback):
    """Puts a member's weights in, after the pre-trained ones have predicted the test rows.

    In a test both predict; a validation takes over the weights alone.

    Args:
        weights: The tensors of the member that differ from the pre-trained ones.

    Attributes:
        zero_shot: What the pre-trained weights predict, after `trainer.test`.
        predicted: What the member predicts.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.zero_shot: Predicted | None = None
        self.predicted: Predicted | None = None
        self._pairs: list[tuple[Tensor, Episode]] = []

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._put(as_task(pl_module))

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = as_task(pl_module)
        self.zero_shot = Predicted.of(stage_predictions(trainer, task, "test"))
        self._put(task)
        self._pairs = []

    def _put(self, task: CausalMixTask) -> None:
        unknown = task.load_state_dict(self.weights, strict=False).unexpected_keys
        if unknown:
            raise ConfigurationError(
                f"the weights of the fold hold {unknown[0]!r}, which the model has not: it was "
                "fitted with another model"
            )

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._pairs.append((outputs["predictions"], batch))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.predicted = Predicted.of(self._pairs)
