"""Weights between zero-shot and fine-tuned, chosen on validation."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from lit_causalmix.callbacks.best_weights import BestWeights, zero_shot_bar, zero_shot_loss
from lit_causalmix.callbacks.evaluation import (
    as_task,
    episode_datamodule,
    find_callback,
    score_stage,
)
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.task import backbone_state

_log = logging.getLogger(__name__)


def interpolate(
    start: dict[str, Tensor], end: dict[str, Tensor], coefficient: float
) -> dict[str, Tensor]:
    """(1 - coefficient) * start + coefficient * end, tensor by tensor; ends are exact."""
    return {
        name: value.lerp(end[name], coefficient) if value.is_floating_point() else end[name]
        for name, value in start.items()
    }


class WeightInterpolation(Checkpoint):
    """Replaces the best weights by the best point on the line from zero-shot to them (WiSE-FT).

    Wortsman et al. (arXiv 2109.01903) interpolate with a fixed or chosen coefficient; here the
    validation chooses, by the task's own `selection`. Zero-shot (0) and the fine-tuned weights (1)
    are always among the candidates, so the result is never worse than zero-shot by that rule; of
    equal scores the smallest coefficient wins, the one nearest to zero-shot [our choice].

    It works at the end of training, after `BestWeights` has restored the fine-tuned weights, writes
    the result into the same checkpoint, and has to stand behind it in `trainer.callbacks`. With an
    adapter its factors are interpolated, which is a curve in the space of the merged weights.

    Args:
        coefficients: Shares of the fine-tuned weights to try, strictly between 0 and 1.

    Attributes:
        coefficient: The chosen one; None before the end of training.
        curve: Each candidate with its `val/loss`.

    Raises:
        ConfigurationError: If a coefficient lies outside (0, 1).
    """

    def __init__(
        self, coefficients: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    ) -> None:
        super().__init__()
        if not all(0.0 < c < 1.0 for c in coefficients):
            raise ConfigurationError(
                f"coefficients must lie in (0, 1), got {list(coefficients)}: 0 and 1 are always "
                "tried"
            )
        self.coefficients = tuple(coefficients)
        self.coefficient: float | None = None
        self.curve: dict[float, float] = {}

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a trainer without the callbacks that this one builds on, in their order."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        before = callbacks[: callbacks.index(self)]
        if not all(
            any(isinstance(callback, kind) for callback in before)
            for kind in (ZeroShotBaseline, BestWeights)
        ):
            raise ConfigurationError(
                "WeightInterpolation needs ZeroShotBaseline and BestWeights, listed before it in "
                "trainer.callbacks"
            )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.check_run(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        best = find_callback(trainer, BestWeights)
        baseline = find_callback(trainer, ZeroShotBaseline)
        if best is None or baseline is None or not best.best_model_path:  # a fast_dev_run
            return
        task = as_task(pl_module)
        tuned = backbone_state(task.backbone)
        with baseline.pretrained(task):
            start = backbone_state(task.backbone)
        is_classification = episode_datamodule(trainer).is_classification
        self.curve = {0.0: zero_shot_loss(trainer)}
        for coefficient in (*sorted(self.coefficients), 1.0):
            task.backbone.load_state_dict(interpolate(start, tuned, coefficient))
            scores = score_stage(trainer, task, "val")
            self.curve[coefficient] = task.selection.loss(scores, is_classification)
        judged = {**self.curve, 0.0: zero_shot_bar(trainer)}
        finite = {c: loss for c, loss in judged.items() if math.isfinite(loss)}
        self.coefficient = min(finite, key=lambda c: finite[c]) if finite else 0.0
        task.backbone.load_state_dict(interpolate(start, tuned, self.coefficient))
        step = best.best_step if self.coefficient else 0
        best.keep(trainer, self.curve[self.coefficient], step=step)
        _log.info(
            "Interpolated weights: %g of the fine-tuned ones, %s %.5f (zero-shot %.5f, "
            "fine-tuned %.5f)",
            self.coefficient,
            best.monitor,
            self.curve[self.coefficient],
            self.curve[0.0],
            self.curve[1.0],
        )

    def state_dict(self) -> dict[str, Any]:
        return {"coefficient": self.coefficient, "curve": list(self.curve.items())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.coefficient = state_dict["coefficient"]
        self.curve = {float(c): float(loss) for c, loss in state_dict["curve"]}

    def report_content(self, trainer: pl.Trainer) -> dict[str, Any]:
        """What the run's report says of it."""
        if self.coefficient is None:
            return {}
        curve = [[c, loss if math.isfinite(loss) else None] for c, loss in self.curve.items()]
        return {"interpolation": {"coefficient": self.coefficient, "curve": curve}}
