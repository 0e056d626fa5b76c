"""What the page about a run tells, gathered from trainer, task and datamodule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import episode_datamodule
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.facts import facts
from lit_causalmix.metrics import specs
from lit_causalmix.training.report import References, ReportRow, curve_points
from lit_causalmix.training.run_page import (
    RunStory,
    StageScores,
    chosen_words,
    scores_of_selected,
    scores_of_test,
)
from lit_causalmix.training.scoreboard import Stage
from lit_causalmix.training.task import CausalMixTask

MORE_STEPS = "The last step was the best: more may gain, by --trainer.max_epochs (or max_steps)"


def story_of(
    trainer: pl.Trainer,
    task: CausalMixTask,
    folder: Path,
    *,
    rows: Mapping[Stage, Sequence[ReportRow]],
    references: References,
    png: bytes,
    notes: Sequence[str],
) -> RunStory:
    """All that is known of a run.

    Args:
        trainer: Of the run.
        task: Holds the selected weights where it was a fit.
        folder: Of the run; its `config.yaml` are the settings, where there is one.
        rows: The scores that were measured by themselves.
        references: Other models' scores of the test rows.
        png: The curves.
        notes: Warnings of the run.
    """
    data, board = episode_datamodule(trainer), task.scoreboard
    stages = scores_of_test(rows.get("test", ()), data.context_of("test"), references)
    selected = board.selected
    moved = selected is not None and selected.coefficient not in (None, 0.0, 1.0)
    if "val" in rows:
        told = "Scored by themselves, without a fit."
        stages.append(StageScores("Validation rows", told, rows["val"], data.context_of("val")))
    elif board.history and not moved:
        step = board.history[-1].step if selected is None else selected.step
        stages += scores_of_selected(data.method, board.history, step, data.context_of("val"))
    settings = folder / "config.yaml"
    return RunStory(
        title(trainer),
        stages,
        _chosen(task, classification=data.is_classification),
        png=png,
        history=history(trainer, task) if png else (),
        facts=list(facts(data, task.backbone)) if isinstance(data, CausalMixDataModule) else (),
        warnings=[*notes, *_weights(task)],
        settings=settings.read_text(encoding="utf-8") if settings.is_file() else "",
    )


def title(trainer: pl.Trainer) -> str:
    """Tables and method of a run."""
    data = episode_datamodule(trainer)
    return f"{', '.join(data.table_names)}: {data.method}"


def history(trainer: pl.Trainer, task: CausalMixTask) -> list[dict[str, float]]:
    """The scores of the real validation rows along the fit, by metric."""
    kind = episode_datamodule(trainer).is_classification
    return curve_points(task.scoreboard.history, specs(kind, task.metrics))


def still_gained(task: CausalMixTask) -> bool:
    """Whether the weights were selected at the last of several validations."""
    board = task.scoreboard
    return (
        len(board.history) > 2
        and not task.selection.keeps_last
        and board.selected is not None
        and board.selected.step == board.history[-1].step
    )


def _chosen(task: CausalMixTask, *, classification: bool) -> list[str]:
    board, selected = task.scoreboard, task.scoreboard.selected
    if not board.history:
        return []
    if selected is None:
        return ["Nothing selects: the last weights are kept, better than zero-shot or not."]
    words = chosen_words(
        task.selection,
        board.history,
        step=selected.step,
        score=selected.score,
        classification=classification,
    )
    if selected.coefficient is not None:
        words = [] if task.selection.keeps_last else words  # the last weights were an end of a line
        words.append(
            f"Of the way from zero-shot to the fine-tuned weights, {selected.coefficient:g} is "
            f"taken: {len(selected.line)} points of it were tried."
        )
    return [*words, f"{MORE_STEPS}."] if still_gained(task) else words


def _weights(task: CausalMixTask) -> list[str]:
    if task.scoreboard.selected is None or task.holds_selected():
        return []
    return ["These scores are of other weights than the selected ones."]
