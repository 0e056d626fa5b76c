"""The zero-shot score of the model: what fine-tuning is measured against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lit_causalmix.callbacks.evaluation import (
    Stage,
    as_task,
    episode_datamodule,
    packed,
    score_stage,
    unpacked,
)
from lit_causalmix.metrics import Score
from lit_causalmix.training.task import CausalMixTask, backbone_state


class ZeroShotBaseline(pl.Callback):
    """Scores the pre-trained weights on the rows that the fine-tuned ones will be scored on.

    The pre-trained weights are copied (on the CPU) before any checkpoint is restored, so a
    baseline can be had at any time: before the first training step, or when a checkpoint is tested
    on another table. The scores travel in the checkpoint and are used again only for the very same
    rows.
    """

    def __init__(self) -> None:
        self._initial: dict[str, Tensor] | None = None
        self._scores: dict[str, dict[str, Score]] = {}
        self._fingerprints: dict[str, str] = {}

    def scores(self, stage: Stage) -> dict[str, Score]:
        """Zero-shot scores, "domain/metric" → score; empty before they are measured."""
        return self._scores.get(stage, {})

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._initial is None and stage != "predict":
            self._initial = backbone_state(as_task(pl_module).backbone)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.measure(trainer, as_task(pl_module), "val")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":  # in a fit, it was measured before the first step
            self.measure(trainer, as_task(pl_module), "val")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.measure(trainer, as_task(pl_module), "test")

    def measure(self, trainer: pl.Trainer, task: CausalMixTask, stage: Stage) -> None:
        """Scores the pre-trained weights on a stage, unless that is done for the same rows."""
        fingerprint = episode_datamodule(trainer).evaluation_fingerprint(stage)
        if self._fingerprints.get(stage) == fingerprint or self._initial is None:
            return
        with self.pretrained(task):
            self._scores[stage] = score_stage(trainer, task, stage)
        self._fingerprints[stage] = fingerprint

    @contextmanager
    def pretrained(self, task: CausalMixTask) -> Iterator[None]:
        """Puts the pre-trained weights into the task's backbone, and the present ones back."""
        if self._initial is None:
            raise RuntimeError("the pre-trained weights are copied in setup, which has not run")
        present = backbone_state(task.backbone)
        task.backbone.load_state_dict(self._initial)
        try:
            yield
        finally:
            task.backbone.load_state_dict(present)

    def state_dict(self) -> dict[str, Any]:
        return {
            "fingerprints": dict(self._fingerprints),
            "scores": {stage: packed(scores) for stage, scores in self._scores.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._fingerprints = dict(state_dict["fingerprints"])
        self._scores = {stage: unpacked(scores) for stage, scores in state_dict["scores"].items()}
