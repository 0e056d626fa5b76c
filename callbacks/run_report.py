"""The report at the end of a run: table on the screen; page, JSON and picture in its folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import all_callbacks, as_task, episode_datamodule, is_trial
from lit_causalmix.callbacks.run_story import (
    MORE_STEPS,
    history,
    still_gained,
    story_of,
    title,
)
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_bytes, write_json, write_text
from lit_causalmix.metrics import Score
from lit_causalmix.pages.html import render
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.report import (
    ReportRow,
    brief,
    curves,
    format_table,
    report_rows,
)
from lit_causalmix.training.run_page import build_page
from lit_causalmix.training.runs import run_folder
from lit_causalmix.training.scoreboard import Stage
from lit_causalmix.training.task import CausalMixTask
from lit_causalmix.training.tracking import log_picture

CURVES, PAGE, NUMBERS = "curves.png", "report.html", "report.json"
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
    `report.json`; after a fit it draws `curves.png`, which the loggers get, too. `report.html` has
    all of it on one page. Other callbacks add lines by sheets of the scoreboard and entries by
    `AddsContent`.

    Args:
        show: Whether to print the table.

    Attributes:
        notes: Warnings of the run, for its page; the command line puts them here.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show
        self.notes: Sequence[str] = ()
        self._rows: dict[Stage, list[ReportRow]] = {}
        self._png = b""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._rows = {}

    # -- curves ---------------------------------------------------------------------------------

    def on_settled(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        folder = run_folder(trainer)
        self._draw(trainer, task, folder)
        if self._png:
            self._write_page(trainer, task, folder)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # An interrupted fit shows how far it came. One process only: the others may be gone, and
        # asking Lightning for the folder would wait for them.
        if isinstance(exception, KeyboardInterrupt) and trainer.world_size == 1:
            self._draw(trainer, as_task(pl_module), run_folder(trainer))

    def _draw(self, trainer: pl.Trainer, task: CausalMixTask, folder: Path) -> None:
        board = task.scoreboard
        self._png = b""
        if not trainer.is_global_zero or not board.history or is_trial(trainer):
            return
        step = board.selected.step if board.selected is not None else trainer.global_step
        self._png = curves(history(trainer, task), step, title(trainer))
        picture = folder / CURVES
        write_bytes(picture, self._png)
        for logger in trainer.loggers:
            log_picture(logger, picture, trainer.global_step)

    def _write_page(self, trainer: pl.Trainer, task: CausalMixTask, folder: Path) -> None:
        story = story_of(
            trainer,
            task,
            folder,
            rows=self._rows,
            references=_references(trainer) if "test" in self._rows else {},
            png=self._png,
            notes=list(dict.fromkeys(self.notes)),
        )
        write_text(folder / PAGE, render(build_page(story)))

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
            f"{title(trainer)}, {_ROWS[stage]} rows",
            format_table(self._rows[stage], references),
            *_context(trainer, stage),
        ]
        if not is_trial(trainer):
            write_json(folder / NUMBERS, self._content(trainer, task))
            self._write_page(trainer, task, folder)
            lines += _where(trainer, task, folder)
        if self.show:
            sys.stdout.write("\n".join([*lines, ""]))
            sys.stdout.flush()

    def _content(self, trainer: pl.Trainer, task: CausalMixTask) -> dict[str, object]:
        selected = task.scoreboard.selected
        content: dict[str, object] = {
            "title": title(trainer),
            "context": {s: episode_datamodule(trainer).context_of(s) for s in self._rows},
            "rows": [row.to_json() for rows in self._rows.values() for row in rows],
            "best_step": selected.step if selected is not None else None,
            "best_checkpoint": selected.file if selected is not None else None,
            "selected_weights": task.holds_selected(),
            "history": history(trainer, task),
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
            plain = "Last" if selected.coefficient is None else "Interpolated"
            lines.append(f"{plain if rule.keeps_last else 'Best'} weights {told}: {path}")
        else:
            lines.append(f"Other weights than the best ones {told}: {trainer.ckpt_path or 'these'}")
    if still_gained(task):
        lines.append(MORE_STEPS)
    return [*lines, *files_lines(folder, drawn=bool(task.scoreboard.history))]


def files_lines(folder: Path, *, drawn: bool) -> list[str]:
    """Where the curves, the page and the numbers of a run are."""
    found = [f"Curves: {folder / CURVES}"] if drawn else []
    return [*found, f"Report: {folder / PAGE} (its numbers: {NUMBERS})"]


def _context(trainer: pl.Trainer, stage: Stage) -> list[str]:
    """Which rows the scores of a stage were made from, zero-shot's as well."""
    told = episode_datamodule(trainer).context_of(stage)
    return [f"Context ({stage}): {told}"] if told else []


def _method(trainer: pl.Trainer) -> str:
    return episode_datamodule(trainer).method
