"""Interruptions and resumptions that leave no trace in the bits of a fit."""

from __future__ import annotations

import signal
import sys
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

from lit_causalmix.callbacks.evaluation import all_callbacks, is_trial
from lit_causalmix.callbacks.finite_loss import FiniteLoss
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.checkpoints import AtomicCheckpointIO
from lit_causalmix.training.interruption import Interrupted, StopRequest, say_stopping
from lit_causalmix.training.progress import (
    await_validation,
    begin_next_epoch,
    between_steps,
    is_within_epoch,
    is_within_step,
    validation_due,
)
from lit_causalmix.training.runs import run_folder

_KEY = "exact_resume"


class ExactResume(Checkpoint):
    """Stops a fit between two steps, and lets it go on as if it had never been stopped.

    The command line adds it to every fit; in Python it belongs at the end of `callbacks`. On
    Ctrl-C, SIGTERM or, in a SLURM job, SIGUSR1 the step under way is finished, with the validation
    that is due after it, then everything is saved to `checkpoints/last.ckpt` of the run's folder,
    on all ranks at the same step. A second signal stops at once and saves nothing: the last
    checkpoint stays.

    A checkpoint is consistent only between two steps: in the middle of one the optimiser may be
    half-updated. So `save_on_exception` of `ModelCheckpoint` is switched off, and what is saved
    within a step by other means is refused when a fit is to go on from it.

    Args:
        filename: Name of the checkpoint in `checkpoints` of the run's folder; None saves nothing,
            for a folder that goes with the fit.

    Raises:
        Interrupted: Out of `Trainer.fit`, after a signal.
    """

    best_model_path = ""  # Lightning asks the first checkpoint callback for it

    def __init__(self, filename: str | None = "last.ckpt") -> None:
        super().__init__()
        self.filename = filename
        self._request = StopRequest(say_stopping)
        self._random: torch.Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for callback in all_callbacks(trainer):
            if isinstance(callback, ModelCheckpoint):
                callback.save_on_exception = False

    # -- stopping -------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if any(_has_stopped(callback) for callback in all_callbacks(trainer)):
            trainer.should_stop = True  # the fit had ended before it was interrupted
        if self._random is not None:
            torch.set_rng_state(self._random)
            self._random = None
        note = say_stopping if trainer.is_global_zero else _say_nothing
        self._request = StopRequest(note)
        self._request.listen()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        last = batch_idx + 1 >= trainer.num_training_batches
        if between_steps(trainer) and not last and not validation_due(trainer):
            self._grant(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        last = trainer.fit_loop.batch_idx + 1 >= trainer.num_training_batches
        if between_steps(trainer) and not last:
            self._grant(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._grant(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._request.close()
        if self._request.signum is not None:
            raise Interrupted(self._request.signum)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._request.close()

    def _grant(self, trainer: pl.Trainer) -> None:
        """Saves, where that lasts, and stops if any rank was told to; every rank has to call it."""
        wanted = self._request.signum is not None
        if trainer.world_size > 1:
            wanted = trainer.strategy.reduce_boolean_decision(wanted, all=False)
        if not wanted:
            return
        if self.filename is None:
            if trainer.is_global_zero:
                step = trainer.global_step
                sys.stderr.write(f"stopped after step {step}: nothing is kept without run_folder\n")
        elif not is_trial(trainer):
            path = run_folder(trainer) / "checkpoints" / self.filename
            trainer.save_checkpoint(path)
            if trainer.is_global_zero:
                sys.stderr.write(f"saved after step {trainer.global_step}: {path}\n")
        raise Interrupted(self._request.signum or signal.SIGINT)

    # -- checkpoints ----------------------------------------------------------------------------

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit":
            return
        checkpoint[_KEY] = {
            "within_step": is_within_step(trainer),
            "accumulating": not between_steps(trainer),
            "random": torch.get_rng_state(),
            "ranks": trainer.world_size,
        }
        if trainer.training and validation_due(trainer):
            await_validation(checkpoint["loops"]["fit_loop"])

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint.get(_KEY)
        if state is None or trainer.state.fn != "fit":
            return
        if state["within_step"]:
            raise ConfigurationError(
                f"{trainer.ckpt_path} was saved in the middle of a step, so its optimiser may be "
                "half-updated: go on from an earlier checkpoint"
            )
        if state["accumulating"]:
            sys.stderr.write(
                f"{trainer.ckpt_path} was saved between two batches of one step: the gradients of "
                "the first are lost, and the bits differ from those of an uninterrupted fit\n"
            )
        ranks = state.get("ranks", trainer.world_size)
        moved = ranks != trainer.world_size and is_within_epoch(checkpoint["loops"]["fit_loop"])
        if moved and trainer.is_global_zero:
            sys.stderr.write(
                f"{trainer.ckpt_path} was saved within an epoch that {ranks} processes shared out, "
                f"and goes on in {trainer.world_size}: some episodes of that epoch are taken twice "
                "or left out\n"
            )
        self._random = state["random"].cpu()
        if trainer.max_steps != -1:
            begin_next_epoch(checkpoint["loops"]["fit_loop"])


def make_exact(trainer: pl.Trainer) -> None:
    """Gives a trainer `FiniteLoss`, `ExactResume` and `AtomicCheckpointIO` where it lacks them.

    Lightning's own requeueing of SLURM jobs is switched off: it saves in the middle of a step, to a
    checkpoint that no fit may go on from. `examples/slurm.sh` requeues.

    Raises:
        ConfigurationError: If the trainer's strategy keeps what was fitted in processes of its own.
    """
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise ConfigurationError(
            "trainer.strategy starts processes by multiprocessing, from which tables, scores and "
            f"selected weights do not come back, got {type(trainer.strategy).__name__} with "
            f"{trainer.num_devices} devices: choose ddp"
        )
    callbacks = all_callbacks(trainer)
    for kind in (FiniteLoss, ExactResume):  # the latter saves when all others are done
        if not any(isinstance(callback, kind) for callback in callbacks):
            callbacks.append(kind())
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()
    environment = trainer._accelerator_connector.cluster_environment
    if isinstance(environment, SLURMEnvironment):
        environment.auto_requeue = False


def _has_stopped(callback: pl.Callback) -> bool:
    """Whether an early stopping had ended the fit that its state comes from."""
    return isinstance(callback, EarlyStopping) and (
        callback.stopped_epoch > 0 or callback.wait_count >= callback.patience
    )


def _say_nothing(signum: int) -> None:
    """One rank speaks for all."""
