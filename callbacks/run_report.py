"""The report at the end of a run: table on the screen, JSON and picture in the run's folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.callbacks.best_weights import BestWeights
from lit_causalmix.callbacks.domain_metrics import DomainMetrics
from lit_causalmix.callbacks.evaluation import (
    Stage,
    all_callbacks,
    episode_datamodule,
    find_callback,
    is_trial,
    run_folder,
)
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_json
from lit_causalmix.metrics import specs
from lit_causalmix.training.report import (
    ReportRow,
    brief,
    format_table,
    plot_curves,
    report_rows,
    score_to_json,
)
from lit_causalmix.training.selection import selection_of

_log = logging.getLogger(__name__)


@runtime_checkable
class AddsRows(Protocol):
    """A callback with lines of its own for the table."""

    def report_rows(self, method: str, stage: Stage) -> list[ReportRow]: ...


@runtime_checkable
class AddsContent(Protocol):
    """A callback with entries of its own, JSON values, for `report.json`."""

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]: ...


class RunReport(pl.Callback):
    """Keeps the curves of a fit and reports each validation or test of the final weights.

    After `trainer.test` (and `trainer.validate`) it prints a table (method, stage, domain, metric,
    zero-shot, fine-tuned, normalised) and writes `report.json`; after a fit it draws
    `curves.png`. Other callbacks add lines and entries by `AddsRows` and `AddsContent`.

    Args:
        show: Whether to print the table.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show
        self._history: list[dict[str, float]] = []
        self._rows: dict[str, list[ReportRow]] = {}

    # -- curves ---------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        baseline = find_callback(trainer, ZeroShotBaseline)
        if not self._history and baseline is not None:
            scores = {key: score.value for key, score in baseline.scores("val").items()}
            self._history.append(self._point(trainer, 0, scores))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        metrics = self._metrics(trainer)
        if trainer.state.fn == "fit":
            scores = {key: score.value for key, score in metrics.scores["val"].items()}
            self._history.append(self._point(trainer, trainer.global_step, scores))
        else:
            self._finish(trainer, "val")

    def _point(self, trainer: pl.Trainer, step: int, scores: dict[str, float]) -> dict[str, float]:
        names = [spec.name for spec in specs(episode_datamodule(trainer).is_classification)]
        return {"step": step} | {name: scores[f"real/{name}"] for name in names}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._draw(trainer, run_folder(trainer))

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # An interrupted fit shows how far it came. One process only: the others may be gone, and
        # asking Lightning for the folder would wait for them.
        if isinstance(exception, KeyboardInterrupt) and trainer.world_size == 1:
            self._draw(trainer, run_folder(trainer))

    def _draw(self, trainer: pl.Trainer, folder: Path) -> None:
        if not trainer.is_global_zero or not self._history or is_trial(trainer):
            return
        best = find_callback(trainer, BestWeights)
        folder.mkdir(parents=True, exist_ok=True)
        step = best.best_step if best is not None else trainer.global_step
        plot_curves(folder / "curves.png", self._history, step, _title(trainer))

    # -- table ----------------------------------------------------------------------------------

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._finish(trainer, "test")

    def _metrics(self, trainer: pl.Trainer) -> DomainMetrics:
        metrics = find_callback(trainer, DomainMetrics)
        if metrics is None:
            raise ConfigurationError(
                "RunReport needs the callback DomainMetrics in trainer.callbacks"
            )
        return metrics

    def _finish(self, trainer: pl.Trainer, stage: Stage) -> None:
        metrics, baseline = self._metrics(trainer), find_callback(trainer, ZeroShotBaseline)
        self._rows[stage] = report_rows(
            _method(trainer),
            stage,
            baseline.scores(stage) if baseline is not None else {},
            metrics.scores[stage],
            metrics.normalized[stage],
        )
        for callback in all_callbacks(trainer):
            if isinstance(callback, AddsRows):
                self._rows[stage] += callback.report_rows(_method(trainer), stage)
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        lines = ["", format_table(self._rows[stage])]
        if not is_trial(trainer):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "report.json", self._content(trainer))
            lines.append(self._where(trainer, folder))
        if self.show:
            sys.stdout.write("\n".join([*lines, ""]))
            sys.stdout.flush()

    def _content(self, trainer: pl.Trainer) -> dict[str, object]:
        best = find_callback(trainer, BestWeights)
        content: dict[str, object] = {
            "title": _title(trainer),
            "rows": [
                {
                    "method": row.method,
                    "stage": row.stage,
                    "domain": row.domain,
                    "metric": row.metric,
                    "zero_shot": score_to_json(row.zero_shot),
                    "fine_tuned": score_to_json(row.fine_tuned),
                    "normalized": score_to_json(row.normalized),
                }
                for rows in self._rows.values()
                for row in rows
            ],
            "best_step": best.best_step if best is not None else None,
            "best_checkpoint": best.best_model_path if best is not None else None,
            "history": [dict(point) for point in self._history],
        }
        for callback in all_callbacks(trainer):
            if isinstance(callback, AddsContent):
                content |= callback.report_content(trainer)
        return content

    def _where(self, trainer: pl.Trainer, folder: Path) -> str:
        best = find_callback(trainer, BestWeights)
        lines = []
        if best is not None and best.best_model_path:
            chosen = "zero-shot" if best.best_step == 0 else f"step {best.best_step}"
            rule = selection_of(trainer.lightning_module)
            monitored = rule.loss_name(episode_datamodule(trainer).is_classification)
            lines.append(
                f"{'Last' if rule.keeps_last else 'Best'} weights ({chosen}, {rule.title} "
                f"{monitored} {brief(best.best_score)}): {best.best_model_path}"
            )
        if self._history:
            lines.append(f"Curves: {folder / 'curves.png'}")
        return "\n".join([*lines, f"Report: {folder / 'report.json'}"])

    def state_dict(self) -> dict[str, Any]:
        return {"history": [dict(point) for point in self._history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._history = [dict(point) for point in state_dict["history"]]


def _method(trainer: pl.Trainer) -> str:
    return episode_datamodule(trainer).method


def _title(trainer: pl.Trainer) -> str:
    datamodule = episode_datamodule(trainer)
    return f"{', '.join(datamodule.table_names)}: {datamodule.method}"
