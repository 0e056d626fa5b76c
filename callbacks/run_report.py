"""The report at the end of a run: table on the screen, JSON and picture in the run's folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import all_callbacks, as_task, episode_datamodule, is_trial
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_json
from lit_causalmix.metrics import Score, specs
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.report import (
    ReportRow,
    brief,
    format_table,
    plot_curves,
    report_rows,
)
from lit_causalmix.training.runs import run_folder
from lit_causalmix.training.scoreboard import Stage
from lit_causalmix.training.task import CausalMixTask
from lit_causalmix.training.tracking import log_picture

_ROWS = {"val": "validation", "test": "test"}


@runtime_checkable
class AddsContent(Protocol):
    """A callback with entries of its own, JSON values, for `report.json`."""

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]: ...


@runtime_checkable
class ScoresReferences(Protocol):
    """A callback that scores other models on the rows of a test."""

    def reference_scores(self) -> dict[str, dict[str, Score]]:
        """Model → "domain/metric" → score."""


class RunReport(FitCallback):
    """Reports a fit, and each validation or test, from the task's scoreboard.

    After `trainer.test` (and `trainer.validate`) it prints a table (domain, metric, zero-shot,
    fine-tuned, normalised, and other models where `ReferenceModels` scores them) and writes
    `report.json`; after a fit it draws `curves.png`, which the loggers get, too. Other callbacks
    add lines by sheets of the scoreboard and entries by `AddsContent`.

    Args:
        show: Whether to print the table.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show
        self._rows: dict[Stage, list[ReportRow]] = {}

    # -- curves ---------------------------------------------------------------------------------

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        self._draw(trainer, task, run_folder(trainer))

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # An interrupted fit shows how far it came. One process only: the others may be gone, and
        # asking Lightning for the folder would wait for them.
        if isinstance(exception, KeyboardInterrupt) and trainer.world_size == 1:
            self._draw(trainer, as_task(pl_module), run_folder(trainer))

    def _draw(self, trainer: pl.Trainer, task: CausalMixTask, folder: Path) -> None:
        board = task.scoreboard
        if not trainer.is_global_zero or not board.history or is_trial(trainer):
            return
        folder.mkdir(parents=True, exist_ok=True)
        step = board.selected.step if board.selected is not None else trainer.global_step
        picture = folder / "curves.png"
        plot_curves(picture, _history(trainer, task), step, _title(trainer))
        for logger in trainer.loggers:
            log_picture(logger, picture, trainer.global_step)

    # -- table ----------------------------------------------------------------------------------

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._finish(trainer, as_task(pl_module), "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._finish(trainer, as_task(pl_module), "test")

    def _finish(self, trainer: pl.Trainer, task: CausalMixTask, stage: Stage) -> None:
        sheets = task.scoreboard.of_stage(stage)
        if not sheets:
            raise ConfigurationError(
                "RunReport needs the callback DomainMetrics in trainer.callbacks"
            )
        self._rows[stage] = [
            row
            for sheet in sheets
            for row in report_rows(
                _method(trainer), stage, sheet.zero_shot or {}, sheet.scores, sheet.normalized
            )
        ]
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        references = _references(trainer) if stage == "test" else {}
        lines = [
            "",
            f"{_title(trainer)}, {_ROWS[stage]} rows",
            format_table(self._rows[stage], references),
            *_context(trainer, stage),
        ]
        if not is_trial(trainer):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "report.json", self._content(trainer, task))
            lines += _where(trainer, task, folder)
        if self.show:
            sys.stdout.write("\n".join([*lines, ""]))
            sys.stdout.flush()

    def _content(self, trainer: pl.Trainer, task: CausalMixTask) -> dict[str, object]:
        selected = task.scoreboard.selected
        content: dict[str, object] = {
            "title": _title(trainer),
            "context": {s: episode_datamodule(trainer).context_of(s) for s in self._rows},
            "rows": [row.to_json() for rows in self._rows.values() for row in rows],
            "best_step": selected.step if selected is not None else None,
            "best_checkpoint": selected.file if selected is not None else None,
            "selected_weights": task.holds_selected(),
            "history": _history(trainer, task),
        }
        for callback in all_callbacks(trainer):
            if isinstance(callback, AddsContent):
                content |= callback.report_content(trainer)
        return content


def _references(trainer: pl.Trainer) -> dict[str, dict[str, Score]]:
    found: dict[str, dict[str, Score]] = {}
    for callback in all_callbacks(trainer):
        if isinstance(callback, ScoresReferences):
            found |= callback.reference_scores()
    return found


def _history(trainer: pl.Trainer, task: CausalMixTask) -> list[dict[str, float]]:
    """The scores of the real validation rows along the fit, by metric."""
    kind = episode_datamodule(trainer).is_classification
    names = [spec.name for spec in specs(kind, task.metrics)]
    return [
        {"step": entry.step} | {name: entry.scores[f"real/{name}"].value for name in names}
        for entry in task.scoreboard.history
    ]


def _where(trainer: pl.Trainer, task: CausalMixTask, folder: Path) -> list[str]:
    """Which weights the table is of, and which files tell more."""
    selected, rule = task.scoreboard.selected, task.selection
    lines = []
    if selected is not None:
        chosen = "zero-shot" if selected.step == 0 else f"step {selected.step}"
        name = rule.loss_name(episode_datamodule(trainer).is_classification)
        told = f"({chosen}, {rule.title} {name} {brief(selected.score)})"
        path = trainer.ckpt_path or folder / selected.file
        if task.holds_selected():
            lines.append(f"{'Last' if rule.keeps_last else 'Best'} weights {told}: {path}")
        else:
            lines.append(f"Other weights than the best ones {told}: {trainer.ckpt_path or 'these'}")
    if selected is not None and _still_gained(task):
        lines.append(
            "The last step was the best: more may gain, by --trainer.max_epochs (or max_steps)"
        )
    if task.scoreboard.history:
        lines.append(f"Curves: {folder / 'curves.png'}")
    return [*lines, f"Report: {folder / 'report.json'}"]


def _still_gained(task: CausalMixTask) -> bool:
    """Whether the weights were selected at the last of several validations."""
    board = task.scoreboard
    return (
        len(board.history) > 2
        and not task.selection.keeps_last
        and board.selected is not None
        and board.selected.step == board.history[-1].step
    )


def _context(trainer: pl.Trainer, stage: Stage) -> list[str]:
    """Which rows the scores of a stage were made from, zero-shot's as well."""
    told = episode_datamodule(trainer).context_of(stage)
    return [f"Context ({stage}): {told}"] if told else []


def _method(trainer: pl.Trainer) -> str:
    return episode_datamodule(trainer).method


def _title(trainer: pl.Trainer) -> str:
    datamodule = episode_datamodule(trainer)
    return f"{', '.join(datamodule.table_names)}: {datamodule.method}"
