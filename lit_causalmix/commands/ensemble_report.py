"""What a fit of folds tells, and what it keeps: table, page, numbers, model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lit_causalmix.callbacks.reference_models import ReferenceModels, references_to_json
from lit_causalmix.callbacks.run_report import CURVES, NUMBERS, PAGE, files_lines
from lit_causalmix.commands.candidates import candidates_section, candidates_text, chosen_among
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.facts import facts
from lit_causalmix.ensembles import Comparison
from lit_causalmix.errors import ConfigurationError, ModelError
from lit_causalmix.files.atomic import write_bytes, write_json, write_text
from lit_causalmix.metrics import Score, normalized_scores, specs
from lit_causalmix.pages.html import render
from lit_causalmix.study.fit_config import portable
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.folds import Ensemble
from lit_causalmix.study.report.words import count
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

_UNTOUCHED = (
    "There are no test rows: the scores of all folds together are those that the choice was made "
    "by, and better than new rows will have them. Keep rows back (data.split.test_fraction)."
)


@dataclass(frozen=True)
class EnsembleReport:
    """The report of an ensemble.

    Attributes:
        ensemble: The ensemble.
        settings: Of its fits.
        task: As configured.
        data: As configured.
        folder: Of the ensemble.
        config: The complete configuration of `fit`, JSON values.
        notes: Warnings so far.
        comparison: Of the candidates that it was chosen among; None where there was one recipe.
    """

    ensemble: Ensemble
    settings: FoldSettings
    task: CausalMixTask
    data: CausalMixDataModule
    folder: Path
    config: Mapping[str, Any]
    notes: Sequence[str] = ()
    comparison: Comparison | None = None

    def write(self) -> None:
        """Writes numbers, page and model into the folder, and the table to the screen."""
        write_json(self.folder / NUMBERS, self._content())
        story = self._story()
        write_bytes(self.folder / CURVES, story.png)
        write_text(self.folder / PAGE, render(build_page(story)))
        lines = ["", f"{self._title}, all folds together", format_table(self._rows["val"])]
        if self._rows["test"]:
            lines += ["", f"{self._title}, test rows"]
            lines.append(format_table(self._rows["test"], self._references))
            lines.append(f"Context (test): {self._member.context_of('test')}")
        if self.comparison is not None:
            lines += ["", candidates_text(self.comparison)]
        lines += self._warnings + self._where() + [self._keep_model()]
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()

    @property
    def _member(self) -> CausalMixDataModule:
        return self.ensemble.members[0].data

    @property
    def _method(self) -> str:
        name = "" if self.comparison is None else f"auto ({self.comparison.name}), "
        return f"{name}{self.ensemble.method}"

    @property
    def _title(self) -> str:
        folds = count(len(self.ensemble.members), "fold")
        return f"{self.data.table_names[0]}: {self._method}, {folds}"

    @property
    def _warnings(self) -> list[str]:
        """What a reader of the scores has to know."""
        if self.comparison is None:
            return []
        cut = self.comparison.cut
        found = [f"The time limit cut the comparison: {cut}."] if cut else []
        return found if self._rows["test"] else [*found, _UNTOUCHED]

    @cached_property
    def _rows(self) -> dict[str, list[ReportRow]]:
        ensemble = self.ensemble
        zero_shot, pooled = ensemble.choice.history[0].scores, ensemble.choice.scores
        gained = normalized_scores(pooled, zero_shot)
        tested = (ensemble.zero_shot, ensemble.scores, ensemble.normalized)
        return {
            "val": report_rows(self._method, "val", zero_shot, pooled, gained),
            "test": report_rows(self._method, "test", *tested),
        }

    @cached_property
    def _references(self) -> dict[str, dict[str, Score]]:
        """Forest and boosting on the test rows, where `ReferenceModels` is listed.

        They learn from the context of the first member, which is that of all members unless the
        context leaves the validation rows out.
        """
        asked = self.settings.arguments_of("ReferenceModels")
        if asked is None or not self.ensemble.scores:
            return {}
        models = ReferenceModels(**asked)
        episodes = self._member.evaluation_stream("test")
        each = (episodes[i] for i in range(len(episodes)))
        return models.scored(self._member, self.task.metrics, each)

    def _content(self) -> dict[str, object]:
        choice, compared = self.ensemble.choice, self.comparison
        content: dict[str, object] = {
            "title": self._title,
            "folds": len(self.ensemble.members),
            "context": {stage: self._member.context_of(stage) for stage in ("val", "test")},
            "rows": [row.to_json() for part in self._rows.values() for row in part],
            "best_step": choice.step,
            "rule": choice.rule,
            "history": [
                {"step": e.step, **{name: score.value for name, score in e.scores.items()}}
                for e in choice.history
            ],
            "references": references_to_json(self._references),
        }
        limit = self.settings.arguments_of("TimeLimit")
        if limit is not None:
            content["time_limit"] = {**limit, "cut": list(self.ensemble.cut)}
        if compared is not None:
            content["auto"] = {
                "chosen": compared.name,
                "candidates": compared.to_json(),
                "cut": compared.cut,
            }
        return content

    def _story(self) -> RunStory:
        """What the page tells, the curves drawn."""
        choice, kinds = self.ensemble.choice, specs(self.data.is_classification)
        history = curve_points(choice.history, kinds)
        told = "Each row is predicted by the fold that did not train on it; the step is chosen by "
        optimistic = (
            "them, and so is the candidate: these scores look better than those of new rows."
        )
        told += "them." if self.comparison is None else optimistic
        stages = [
            *scores_of_test(self._rows["test"], self._member.context_of("test"), self._references),
            StageScores(
                "All folds together", told, self._rows["val"], self._member.context_of("val")
            ),
        ]
        n_members = len(self.ensemble.members)
        return RunStory(
            self._title,
            stages,
            [*self._chosen(), f"The model averages the predictions of its {n_members} members."],
            png=curves(history, choice.step, self._title),
            history=history,
            facts=list(facts(self.data, self.task.backbone)),
            warnings=list(dict.fromkeys([*self.notes, *self._warnings])),
            settings=(self.folder / "config.yaml").read_text(encoding="utf-8"),
            further=() if self.comparison is None else (candidates_section(self.comparison),),
        )

    def _chosen(self) -> list[str]:
        if self.comparison is not None:
            return chosen_among(self.comparison, self.task.selection, self.data.is_classification)
        choice = self.ensemble.choice
        return chosen_words(
            self.task.selection,
            choice.history,
            step=choice.step,
            score=choice.score,
            classification=self.data.is_classification,
            of=" of every fold",
        )

    def _where(self) -> list[str]:
        choice = self.ensemble.choice
        chosen = "zero-shot" if choice.step == 0 else f"step {choice.step} of every fold"
        name = self.task.selection.loss_name(self.data.is_classification)
        return [
            f"Best weights: {chosen}, pooled {choice.rule} {name} {brief(choice.score)}",
            *files_lines(self.folder, drawn=True),
        ]

    def _keep_model(self) -> str:
        try:
            model = self.ensemble.model(portable(self.config), self.comparison)
            model.save(self.folder / "model")
        except (ConfigurationError, ModelError) as error:  # a backbone of the user's own, say
            return f"No model is kept: {error}"
        return f"Model: {self.folder / 'model'} (it holds training rows)"
