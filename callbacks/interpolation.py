"""Weights between zero-shot and fine-tuned, chosen on validation."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lit_causalmix.callbacks.best_weights import BestWeights
from lit_causalmix.callbacks.evaluation import as_task, episode_datamodule, require_callback
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.kept_weights import copied
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.scoring import score_stage
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


def interpolate(
    start: dict[str, Tensor], end: dict[str, Tensor], coefficient: float
) -> dict[str, Tensor]:
    """(1 - coefficient) * start + coefficient * end, tensor by tensor; ends are exact."""
    return {
        name: value.lerp(end[name], coefficient) if value.is_floating_point() else end[name]
        for name, value in start.items()
    }


class WeightInterpolation(FitCallback):
    """Replaces the best weights by the best point on the line from zero-shot to them (WiSE-FT).

    Wortsman et al. (arXiv 2109.01903) interpolate with a fixed or chosen coefficient; here the
    validation chooses, by the task's own `selection`. Zero-shot (0) and the fine-tuned weights (1)
    are always among the candidates, so the result is never worse than zero-shot by that rule; of
    equal scores the smallest coefficient wins, the one nearest to zero-shot [our choice].

    It works when training is over, on what `BestWeights` selected, and its result takes the place
    of that. With an adapter its factors are interpolated, which is a curve in the space of the
    merged weights. Each share that was tried stands with its `val/loss` in the task's scoreboard
    (`selected.line`), beside the chosen one (`selected.coefficient`).

    Args:
        coefficients: Shares of the fine-tuned weights to try, strictly between 0 and 1.

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

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a trainer in which nothing selects weights.

        Raises:
            ConfigurationError: With the callback that does.
        """
        require_callback(trainer, BestWeights, self)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.check_run(trainer)

    def on_closing(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        selected = task.scoreboard.selected
        if selected is None or selected.coefficient is not None:  # a fit that ended before
            return
        task.take_selected()
        tuned = copied(task.backbone)
        with task.pretrained():
            start = copied(task.backbone)
        is_classification = episode_datamodule(trainer).is_classification
        curve = {0.0: task.zero_shot_loss()}
        for coefficient in (*sorted(self.coefficients), 1.0):
            task.backbone.load_state_dict(interpolate(start, tuned, coefficient))
            scores = score_stage(trainer, task, "val")
            curve[coefficient] = task.selection.loss(scores, is_classification)
        judged = {**curve, 0.0: task.zero_shot_bar()}
        finite = {c: loss for c, loss in judged.items() if math.isfinite(loss)}
        chosen = min(finite, key=lambda c: finite[c]) if finite else 0.0
        task.backbone.load_state_dict(interpolate(start, tuned, chosen))
        task.select(
            curve[chosen],
            step=selected.step if chosen else 0,
            coefficient=chosen,
            line=tuple(curve.items()),
        )
        _log.info(
            "Interpolated weights: %g of the fine-tuned ones, val/loss %.5f (zero-shot %.5f, "
            "fine-tuned %.5f)",
            chosen,
            curve[chosen],
            curve[0.0],
            curve[1.0],
        )

    def report_content(self, trainer: pl.Trainer) -> dict[str, Any]:
        """What the run's report says of it."""
        selected = as_task(trainer.lightning_module).scoreboard.selected
        if selected is None or selected.coefficient is None:
            return {}
        curve = [[c, loss if math.isfinite(loss) else None] for c, loss in selected.line]
        return {"interpolation": {"coefficient": selected.coefficient, "curve": curve}}
