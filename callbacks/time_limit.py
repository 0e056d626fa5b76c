"""A fit that ends in time, with the best so far."""

from __future__ import annotations

import logging
import time
from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import all_callbacks, episode_datamodule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

GENERATOR_SHARE = 0.5
"""Share of the time that the generator may take [our choice]."""


class TimeLimit(FitCallback):
    """Ends a fit before its time is over; what it returns is the best so far, zero-shot included.

    Half of the time is the generator's (discovery, mechanisms, rows that are drawn once): what it
    has not finished by then is given up, and the fit goes on with real rows alone. Training ends
    while there is still time for the validation that follows. What was cut is said in a warning,
    and stands in `report.json`. Work is ended between two of its pieces, so that a fit may take a
    little longer; a generator's calls of a library (CTGAN) are not ended at all. A test that
    follows is not counted.

    Args:
        seconds: The time, from the making of this callback on.

    Attributes:
        cut: What was given up, one sentence each.

    Raises:
        ConfigurationError: If the time is not positive; at the start of a fit, if it was over
            before zero-shot was scored.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigurationError(f"a time limit lies above 0 seconds, got {seconds}")
        self.seconds = float(seconds)
        self.cut: list[str] = []
        self._began = time.monotonic()
        self._validation = 0.0

    @property
    def left(self) -> float:
        """Seconds that are left, negative where the time is over."""
        return self._began + self.seconds - time.monotonic()

    def check_run(self, trainer: pl.Trainer) -> None:
        """Tells the datamodule how long it may prepare; called right before it does."""
        share = self._began + GENERATOR_SHARE * self.seconds
        episode_datamodule(trainer).deadline = share

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        data = episode_datamodule(trainer)
        if stage == "fit" and data.given_up:
            self._say(f"{data.given_up} within {GENERATOR_SHARE * self.seconds:.3g} s")

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        began = time.monotonic()
        task.zero_shot("val")
        self._validation = time.monotonic() - began
        if self.left < 0:
            needed = self.seconds - self.left
            raise ConfigurationError(
                f"the time limit of {self.seconds:.3g} s is too short for zero-shot, which was "
                f"scored after {needed:.3g} s: give more time, or fewer rows"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_in_time(trainer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._stop_in_time(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validates = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._validation = max(self._validation, time.monotonic() - self._validates)

    def _stop_in_time(self, trainer: pl.Trainer) -> None:
        """Stops while the validation that follows still fits in; every rank at the same step."""
        over = self.left < self._validation
        if trainer.world_size > 1:
            over = trainer.strategy.reduce_boolean_decision(over, all=False)
        if not over or trainer.should_stop:
            return
        trainer.should_stop = True
        planned = trainer.estimated_stepping_batches
        if trainer.global_step < planned:
            self._say(f"training ended after {trainer.global_step} of {planned} steps")

    def _say(self, what: str) -> None:
        self.cut.append(what)
        _log.warning("The time limit of %.3g s cut this fit: %s", self.seconds, what)

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]:
        """What `report.json` says of it."""
        return {"time_limit": {"seconds": self.seconds, "cut": list(self.cut)}}


def cut_by_limits(trainer: pl.Trainer) -> tuple[str, ...]:
    """What the time limits of a trainer cut of its fit, each sentence once."""
    limits = [callback for callback in all_callbacks(trainer) if isinstance(callback, TimeLimit)]
    return tuple(dict.fromkeys(sentence for limit in limits for sentence in limit.cut))
