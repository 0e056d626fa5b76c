"""`fit --folds K`: its options, its folder and what it reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_causalmix.callbacks.reference_models import ReferenceModels, references_to_json
from lit_causalmix.callbacks.run_report import CURVES, NUMBERS, PAGE, files_lines
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.facts import facts
from lit_causalmix.ensembles import fold_folder
from lit_causalmix.ensembles.held_out import forget_others
from lit_causalmix.errors import ConfigurationError, ModelError
from lit_causalmix.files.atomic import write_bytes, write_json, write_text
from lit_causalmix.metrics import Score, normalized_scores, specs
from lit_causalmix.pages.html import render
from lit_causalmix.study.fit_config import portable
from lit_causalmix.study.folds import Ensemble, FoldSettings, fit_ensemble
from lit_causalmix.training.report import (
    ReportRow,
    brief,
    curve_points,
    curves,
    format_table,
    report_rows,
)
from lit_causalmix.training.run_page import (
    RunStory,
    StageScores,
    build_page,
    chosen_words,
    scores_of_test,
)
from lit_causalmix.training.task import CausalMixTask

_PARTS = ("seed_everything", "trainer", "model", "data")


@dataclass(frozen=True)
class FoldOptions:
    """What the command line says of folds besides settings.

    Attributes:
        jobs: Folds at once, each in a process of its own.
        resume: Folder of an ensemble to go on with.
    """

    jobs: int = 1
    resume: Path | None = None

    @property
    def given(self) -> bool:
        """Whether either was named."""
        return self.jobs != 1 or self.resume is not None


def taken_options(args: Sequence[str]) -> tuple[FoldOptions, list[str]]:
    """Takes `--jobs` and `--resume` out of the arguments of `fit`; `--folds` is `--data.folds`.

    Raises:
        ConfigurationError: For a value that is none.

    Example:
        >>> taken_options(["fit", "--folds", "5", "--jobs=2"])
        (FoldOptions(jobs=2, resume=None), ['fit', '--data.folds=5'])
    """
    if not args or args[0] != "fit":
        return FoldOptions(), list(args)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--folds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--resume", type=Path)
    try:
        found, rest = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise ConfigurationError(
            f"fit takes --folds K --jobs N --resume FOLDER: {error}"
        ) from error
    if found.jobs < 1:
        raise ConfigurationError(f"--jobs must be at least 1, got {found.jobs}")
    if found.folds is not None:
        rest.append(f"--data.folds={found.folds}")
    return FoldOptions(found.jobs, found.resume), rest


def fit_folds(
    config: Mapping[str, Any],
    folder: Path,
    task: CausalMixTask,
    data: CausalMixDataModule,
    *,
    jobs: int,
    notes: Sequence[str] = (),
) -> None:
    """Fits the folds, reports the ensemble, and keeps its model.

    Args:
        config: The complete configuration of `fit`, JSON values.
        folder: Of the ensemble.
        task: As configured.
        data: As configured.
        jobs: Folds at once.
        notes: Warnings so far, for the page.
    """
    settings = FoldSettings({name: config[name] for name in _PARTS if name in config})
    ensemble = fit_ensemble(settings, folder, task, data, jobs=jobs)
    rows, references = _rows(ensemble, data), _references(settings, ensemble, task)
    write_json(folder / NUMBERS, _content(ensemble, rows, data, references))
    story = _story(ensemble, rows, references, task, data, folder, notes)
    write_bytes(folder / CURVES, story.png)
    write_text(folder / PAGE, render(build_page(story)))
    lines = ["", f"{_title(data)}, all folds together", format_table(rows["val"])]
    if rows["test"]:
        lines += ["", f"{_title(data)}, test rows", format_table(rows["test"], references)]
        lines.append(f"Context (test): {ensemble.members[0].data.context_of('test')}")
    lines += _where(ensemble, task, data, folder)
    try:
        ensemble.model(portable(config)).save(folder / "model")
        lines.append(f"Model: {folder / 'model'} (it holds training rows)")
    except (ConfigurationError, ModelError) as error:  # a backbone of the user's own, say
        lines.append(f"No model is kept: {error}")
    for fold in range(settings.folds):
        forget_others(fold_folder(folder, fold), ensemble.choice.step)
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def _title(data: CausalMixDataModule) -> str:
    return f"{data.table_names[0]}: {data.method}, {data.folds} folds"


def _metrics(data: CausalMixDataModule) -> list[str]:
    return [spec.name for spec in specs(data.is_classification)]


def _rows(ensemble: Ensemble, data: CausalMixDataModule) -> dict[str, list[ReportRow]]:
    zero_shot, pooled = ensemble.choice.history[0].scores, ensemble.choice.scores
    gained = normalized_scores(pooled, zero_shot)
    return {
        "val": report_rows(data.method, "val", zero_shot, pooled, gained),
        "test": report_rows(
            data.method, "test", ensemble.zero_shot, ensemble.scores, ensemble.normalized
        ),
    }


def _references(
    settings: FoldSettings, ensemble: Ensemble, task: CausalMixTask
) -> dict[str, dict[str, Score]]:
    """Forest and boosting on the test rows, where `ReferenceModels` is listed.

    They learn from the context of the first member, which is that of all members unless the
    context leaves the validation rows out.
    """
    asked = settings.arguments_of("ReferenceModels")
    if asked is None or not ensemble.scores:
        return {}
    data = ensemble.members[0].data
    models = ReferenceModels(**asked)
    episodes = data.evaluation_stream("test")
    return models.scored(data, task.metrics, (episodes[i] for i in range(len(episodes))))


def _content(
    ensemble: Ensemble,
    rows: Mapping[str, Sequence[ReportRow]],
    data: CausalMixDataModule,
    references: Mapping[str, Mapping[str, Score]],
) -> dict[str, object]:
    choice, member = ensemble.choice, ensemble.members[0].data
    return {
        "title": _title(data),
        "folds": data.folds,
        "context": {stage: member.context_of(stage) for stage in ("val", "test")},
        "rows": [row.to_json() for part in rows.values() for row in part],
        "best_step": choice.step,
        "rule": choice.rule,
        "history": [
            {"step": e.step, **{name: score.value for name, score in e.scores.items()}}
            for e in choice.history
        ],
        "references": references_to_json(references),
    }


def _story(
    ensemble: Ensemble,
    rows: Mapping[str, Sequence[ReportRow]],
    references: Mapping[str, Mapping[str, Score]],
    task: CausalMixTask,
    data: CausalMixDataModule,
    folder: Path,
    notes: Sequence[str],
) -> RunStory:
    """What the page tells, the curves drawn."""
    choice, member = ensemble.choice, ensemble.members[0].data
    history = curve_points(choice.history, specs(data.is_classification))
    told = "Each row is predicted by the fold that did not train on it; the step is chosen by them."
    context = member.context_of("val")
    stages = [
        *scores_of_test(rows["test"], member.context_of("test"), references),
        StageScores("All folds together", told, rows["val"], context),
    ]
    chosen = chosen_words(
        task.selection,
        choice.history,
        step=choice.step,
        score=choice.score,
        classification=data.is_classification,
        of=" of every fold",
    )
    return RunStory(
        _title(data),
        stages,
        [*chosen, f"The model averages the predictions of its {data.folds} members."],
        png=curves(history, choice.step, _title(data)),
        history=history,
        facts=list(facts(data, task.backbone)),
        warnings=list(dict.fromkeys(notes)),
        settings=(folder / "config.yaml").read_text(encoding="utf-8"),
    )


def _where(
    ensemble: Ensemble, task: CausalMixTask, data: CausalMixDataModule, folder: Path
) -> list[str]:
    choice = ensemble.choice
    chosen = "zero-shot" if choice.step == 0 else f"step {choice.step} of every fold"
    name = task.selection.loss_name(data.is_classification)
    return [
        f"Best weights: {chosen}, pooled {choice.rule} {name} {brief(choice.score)}",
        *files_lines(folder, drawn=True),
    ]
