"""Moments of a fit that Lightning has no hooks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning.pytorch as pl

if TYPE_CHECKING:
    from lit_causalmix.training.task import CausalMixTask


class FitCallback(pl.Callback):
    """A callback that takes part in the selection of weights.

    The task calls these moments of a fit in this order, each on every rank and with every callback
    before the next moment comes, so that the order in which callbacks are listed has no influence.
    All but `on_scored` come in a fit that has nothing left to train, too, where Lightning runs
    neither `on_train_start` nor `on_train_end`.
    """

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        """The fit begins, or goes on from a checkpoint that is read; no step is taken yet."""

    def on_scored(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        """A validation is scored and logged; no callback's `on_validation_end` has run yet."""

    def on_closing(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        """Training is over: the last moment to select other weights."""

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        """The task holds the selected weights, which are what the fit returns."""
