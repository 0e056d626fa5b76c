"""Validation and test scores side by side along a fit, and the gap between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import lightning.pytorch as pl

from lit_causalmix.callbacks.domain_metrics import DomainMetrics
from lit_causalmix.callbacks.evaluation import (
    as_task,
    begins,
    episode_datamodule,
    require_callback,
)
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score, normalized_scores, rank_gap, selection_gap
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.report import score_to_json
from lit_causalmix.training.scoring import score_stage
from lit_causalmix.training.task import CausalMixTask

_DOMAIN = "real/"


class Point(TypedDict):
    """Normalised scores of one checkpoint by metric, in percent; NaN where undefined."""

    step: int
    val: dict[str, float]
    test: dict[str, float]


class ScoreTrajectory(FitCallback):
    """Scores the test rows at every validation, to tell how far validation can be trusted.

    It only watches: nothing is logged, so nothing can stop, select or schedule by a test score, and
    the weights of a fit are the same bits with and without it. Off unless listed, beside
    `DomainMetrics`; it takes one pass over the test rows per validation.

    The checkpoints are zero-shot (0 % by definition, a candidate of the selection [our choice]) and
    one per validation. `RunReport` writes them and both gaps (`lit_causalmix.metrics.gap`) to
    `report.json`, per metric over the real rows. Weights made after training
    (`WeightInterpolation`) are no checkpoint: the gap at the selected one is then that of the
    weights they were made from.
    """

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._whole = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if begins(trainer, stage):
            self._points, self._whole = [], False

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a trainer in which nothing scores the validation rows, or without test rows.

        Raises:
            ConfigurationError: With the callback or the setting that is needed.
        """
        require_callback(trainer, DomainMetrics, self)
        if not episode_datamodule(trainer).has_test_rows:
            raise ConfigurationError(
                "ScoreTrajectory scores test rows, and there are none: set "
                "data.split.test_fraction above 0, or leave it out of trainer.callbacks"
            )

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        self.check_run(trainer)
        val, test = task.zero_shot("val"), task.zero_shot("test")
        if not self._points:
            self._add(0, normalized_scores(val, val), normalized_scores(test, test))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        task = as_task(pl_module)
        test = normalized_scores(score_stage(trainer, task, "test"), task.zero_shot("test"))
        self._add(trainer.global_step, task.scoreboard.sheets["val"].normalized, test)

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        self._whole = True

    def gaps(self, selected_step: int | None) -> dict[str, dict[str, Score]]:
        """Metric → "rank" and "selection" → gap.

        Args:
            selected_step: Training step of the selected checkpoint, None where nothing selects.
        """
        chosen = next((p for p in self._points if p["step"] == selected_step), None)
        gaps: dict[str, dict[str, Score]] = {}
        for metric in self._points[0]["val"] if self._points else ():
            series = {s: [p[s][metric] for p in self._points] for s in ("val", "test")}
            selection = Score(math.nan, "no checkpoint of the trajectory was selected")
            if chosen is not None:
                selection = selection_gap(
                    _score(chosen["val"][metric]), _score(chosen["test"][metric])
                )
            gaps[metric] = {"rank": rank_gap(series["val"], series["test"]), "selection": selection}
        return gaps

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]:
        """What `RunReport` adds to `report.json`; nothing in a test of a checkpoint by itself.

        The best checkpoint was written in the middle of its fit and knows the way up to there only.
        """
        if not self._whole:
            return {}
        selected = as_task(trainer.lightning_module).scoreboard.selected
        gaps = self.gaps(selected.step if selected is not None else None)
        return {
            "trajectory": [
                {"step": p["step"], "val": _finite(p["val"]), "test": _finite(p["test"])}
                for p in self._points
            ],
            "validation_test_gap": {
                metric: {kind: score_to_json(gap) for kind, gap in kinds.items()}
                for metric, kinds in gaps.items()
            },
        }

    def state_dict(self) -> dict[str, Any]:
        return {"points": [dict(point) for point in self._points]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._points = [
            Point(step=p["step"], val=p["val"], test=p["test"]) for p in state_dict["points"]
        ]

    def _add(self, step: int, val: Mapping[str, Score], test: Mapping[str, Score]) -> None:
        self._points.append(Point(step=step, val=_real(val), test=_real(test)))


def _real(scores: Mapping[str, Score]) -> dict[str, float]:
    """Metric → value over the real rows."""
    return {
        key.removeprefix(_DOMAIN): score.value
        for key, score in scores.items()
        if key.startswith(_DOMAIN)
    }


def _score(value: float) -> Score:
    note = "the score is undefined at the selected checkpoint" if math.isnan(value) else ""
    return Score(value, note)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {metric: None if math.isnan(value) else value for metric, value in values.items()}
