"""The part of the task that sees to it that a fit has room in memory."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from lit_causalmix.backbones.contexts import ContextMemory
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.devices import (
    available_bytes,
    in_words,
    is_out_of_memory,
    return_freed_memory,
)
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, MemoryLimitError
from lit_causalmix.training.memory import (
    PRECISIONS,
    Forecast,
    MemoryRule,
    fitted,
    held_bytes,
    refusal,
    state_shares,
)
from lit_causalmix.training.room import Room, cells_of, halved, sizes_of
from lit_causalmix.training.selecting import SelectingModule

_log = logging.getLogger(__name__)

TIGHT = 0.5
"""Share of the available memory above which freed memory is given back to the system at once."""


class MemoryModule(SelectingModule):
    """Compares what a fit takes with what there is, before it begins, and cuts what does not fit.

    Attributes:
        memory_rule: What is done where it does not fit.
        room: What episodes are cut to; a resumed fit takes it over.
    """

    memory_rule: MemoryRule
    optimizer: OptimizerCallable

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self._contexts = ContextMemory()
        self._compared = False
        self._episodes: Sequence[Episode] = ()

    # -- before the first step ------------------------------------------------------------------

    def check_memory(self, trainer: pl.Trainer, shapes: Iterable[StepShape]) -> None:
        """Refuses, or cuts, what memory has no room for; once a run, before anything slow.

        Args:
            trainer: Of the run; a module that is only connected to it has none of its own yet.
            shapes: The largest steps of the run. Their precision and checkpointing are set here.

        Raises:
            MemoryLimitError: If a step does not fit, with what would.
            ConfigurationError: If rows would have to be halved where they cannot be.
        """
        if self.memory_rule == "fit":
            _check_halving(trainer)
        if self._compared or self.memory_rule == "ignore":
            return
        self._compared = True
        device = trainer.strategy.root_device
        available = available_bytes(device)
        precision = PRECISIONS.get(str(trainer.precision))
        if available is None or precision is None:
            return
        if device.type == "cpu":  # all processes of this machine take theirs
            available //= trainer.num_devices
        forecast = self._forecast(device)
        for shape in shapes:
            shape = replace(
                shape,
                precision=precision,
                checkpointing=bool(self.backbone.checkpointing),
            )
            if forecast is not None and not (shape.training and self._trains_a_part()):
                self._compare(shape, available, forecast, device)

    def _forecast(self, device: torch.device) -> Forecast | None:
        states = None
        if self._fits():
            states = state_shares(self.backbone, self.optimizer)
            if states is None:
                return None
        return Forecast(self.backbone, held_bytes(self.backbone, device, states))

    def _trains_a_part(self) -> bool:
        """Whether less is kept for the backward pass than was measured, or more."""
        raise NotImplementedError

    def _compare(
        self, shape: StepShape, available: int, forecast: Forecast, device: torch.device
    ) -> None:
        needed = forecast.bytes(shape)
        if needed is None:
            return
        if device.type == "cpu" and needed > TIGHT * available:
            return_freed_memory()
        if needed <= available:
            return
        less = fitted(shape, available, forecast) if self.memory_rule == "fit" else None
        if less is None:
            place = "this machine" if device.type == "cpu" else f"device {device}"
            raise MemoryLimitError(refusal(shape, available, forecast, place))
        if shape.training:
            self.room = replace(self.room, cells=_least(self.room.cells, less.cells // less.tables))
        else:
            self.room = replace(
                self.room,
                query_rows=_least(self.room.query_rows, less.query_rows),
                context_rows=_least(self.room.context_rows, less.context_rows),
            )
        _log.warning(
            "memory: %s of %d context and %d query rows would take about %s, %s are available: "
            "it has at most %d and %d of them",
            *(shape.name or "a step", shape.context_rows, shape.query_rows, in_words(needed)),
            *(in_words(available), less.context_rows, less.query_rows),
        )

    def scored_context_limit(self) -> int | None:
        """Most context rows of validation, test and prediction; None where nothing limits them."""
        return _least(self.backbone.limits.context_rows, self.room.context_rows)

    # -- in spite of it -------------------------------------------------------------------------

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        closure = optimizer_closure and partial(self._with_room, optimizer, optimizer_closure)
        super().optimizer_step(epoch, batch_idx, optimizer, closure)

    def _with_room(self, optimizer: Any, closure: Callable[[], Any]) -> Any:
        """Computes loss and gradients, of fewer rows where memory runs out."""
        try:
            return closure()
        except (RuntimeError, MemoryError) as error:
            if not self._may_halve(error):
                raise
        # Behind the handler: the error holds what the step had computed.
        self._halve_training()
        optimizer.zero_grad()
        _release(self.device)
        try:
            return closure()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryLimitError(
                "memory ran out once more with half of the rows: lower data.episode_rows, or free "
                "memory that others use; the last checkpoint stays"
            ) from error

    def _may_halve(self, error: BaseException) -> bool:
        """Whether to go on with fewer rows.

        Raises:
            MemoryLimitError: In the place of an error that says that memory ran out.
        """
        if self.memory_rule == "ignore" or not is_out_of_memory(error):
            return False
        if self.memory_rule == "fit":
            return True
        raise MemoryLimitError(
            f"memory ran out in step {self.trainer.global_step}: lower data.episode_rows, or set "
            "model.memory to fit, which halves rows and goes on; the last checkpoint stays"
        ) from error

    def within_room(self, episodes: Sequence[Episode]) -> Sequence[Episode]:
        """The episodes of a training step, cut to the room that there is."""
        if self.room.cells is not None:
            episodes = [self.room.training(episode) for episode in episodes]
        self._episodes = episodes
        return episodes

    @property
    def _largest(self) -> Episode | None:
        return max(self._episodes, key=cells_of, default=None)

    def _halve_training(self) -> None:
        episode = self._largest
        sizes = None if episode is None else halved(*sizes_of(episode)[:2], episode.n_classes)
        if episode is None or sizes is None:
            raise MemoryLimitError("memory ran out, and the rows of a step cannot be halved")
        n_context, n_query, n_columns = sizes_of(episode)
        self.room = replace(self.room, cells=sum(sizes) * (n_columns + 1))
        _log.warning(
            "memory ran out in step %d of %d context and %d query rows: from here on training "
            "episodes have at most %d and %d of them",
            *(self.trainer.global_step, n_context, n_query, *sizes),
        )

    def evaluated(self, episode: Episode) -> Tensor:
        """The backbone's output without gradients, in pieces where memory has no room for all.

        A context that several chunks share is read once.
        """
        try:
            return self._in_chunks(episode)
        except (RuntimeError, MemoryError) as error:
            if episode.n_query == 1 or not self._may_halve(error):
                raise
        self._contexts.forget()
        most = -(-min(episode.n_query, self.room.query_rows or episode.n_query) // 2)
        self.room = replace(self.room, query_rows=most)
        _log.warning("memory ran out: from here on at most %d query rows are scored at once", most)
        _release(self.device)
        return self._in_chunks(episode)

    def _in_chunks(self, episode: Episode) -> Tensor:
        outputs = [self._contexts.output(self.backbone, e) for e in self.room.chunks(episode)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    # -- Lightning's hooks ----------------------------------------------------------------------

    def configure_callbacks(self) -> Sequence[pl.Callback] | pl.Callback:
        self._compared = False  # the first of all hooks: a run begins
        if self._fits():
            self.room = Room()
        return super().configure_callbacks()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        self.room.into_checkpoint(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.room = Room.of_checkpoint(checkpoint)


def _check_halving(trainer: pl.Trainer) -> None:
    if trainer.world_size > 1:
        raise ConfigurationError(
            f"model.memory: fit is for one device, there are {trainer.world_size}: where memory "
            "runs out on one, the others wait for its gradients for ever; lower data.episode_rows "
            "and leave memory at refuse"
        )
    if trainer.accumulate_grad_batches > 1:
        raise ConfigurationError(
            "model.memory: fit takes one batch a step, accumulate_grad_batches is "
            f"{trainer.accumulate_grad_batches}: where memory runs out, the gradients of the "
            "batches before would be lost"
        )


def _least(*numbers: int | None) -> int | None:
    return min((n for n in numbers if n is not None), default=None)


def _release(device: torch.device) -> None:
    """Gives back what a step left that memory ran out in."""
    gc.collect()  # graphs hold each other
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "cpu":
        return_freed_memory()
