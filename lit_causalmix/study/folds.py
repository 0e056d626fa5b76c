"""What the fits of folds lead to: one step for all, the mean of predictions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.kept_model import kept_member, record, score_texts
from lit_causalmix.ensembles import (
    Choice,
    Comparison,
    HeldOut,
    averaged,
    choose,
    fold_folder,
    member_weights,
    run_folds,
    scored,
)
from lit_causalmix.metrics import Score, normalized_scores
from lit_causalmix.model import Predictor
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.fold_member import FoldFacts, FoldMember
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensemble:
    """What K fits on K folds led to.

    Attributes:
        choice: The step, and the pooled scores that it was chosen by.
        members: One for each fold, in their order.
        held_out: What each fold predicts for its validation rows.
        zero_shot: Test scores of the mean over the members' zero-shot predictions.
        scores: Test scores of the mean over the members' predictions; both are empty without
            test rows.
    """

    choice: Choice
    members: Sequence[FoldMember]
    held_out: Sequence[HeldOut]
    zero_shot: Mapping[str, Score] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """How the members were trained; each way once, where time cut some of them."""
        return "; ".join(dict.fromkeys(member.data.method for member in self.members))

    @property
    def cut(self) -> tuple[str, ...]:
        """What a time limit cut of the members' fits, each sentence once."""
        return tuple(dict.fromkeys(cut for member in self.members for cut in member.facts.cut))

    @property
    def normalized(self) -> Mapping[str, Score]:
        """`scores` normalised by `zero_shot`, in percent."""
        return normalized_scores(self.scores, self.zero_shot)

    def model(self, settings: Mapping[str, Any], comparison: Comparison | None = None) -> Predictor:
        """The model that averages the members, each with all rows in its context.

        Args:
            settings: JSON values; the configuration of the fit.
            comparison: Of the candidates that it was chosen among, for its record.
        """
        first = self.members[0]
        members = [kept_member(member.task, member.data) for member in self.members]
        told = record(first.task, first.data, settings) | {"method": self.method}
        step = self.choice.step
        where = "zero-shot" if step == 0 else f"step {step} of each fold"
        told["selected"] = f"{where}, by {self.choice.rule} over the pooled folds"
        told["scores"] = [
            *score_texts("val", self.choice.history[0].scores, self.choice.scores),
            *score_texts("test", self.zero_shot, self.scores),
        ]
        told["scoreboard"] = None
        told["data"].pop("fold", None)
        if comparison is not None:
            told["selected"] = f"{comparison.words}, {told['selected']}"
            told["auto"] = comparison.to_json()
        return Predictor(members, first.data.reading, told)


def fit_ensemble(
    settings: FoldSettings,
    folder: Path,
    task: CausalMixTask,
    data: CausalMixDataModule,
    *,
    jobs: int = 1,
    begin: Callable[[], None] = lambda: None,
) -> Ensemble:
    """Fits what is not finished yet, chooses the step, and scores the test rows.

    Args:
        settings: The fits.
        folder: Of the ensemble.
        task: As configured; its rule selects, and it says at once what it does not take.
        data: As configured; it is read, and nothing slow is done with it.
        jobs: Folds at once.
        begin: Called before the first fit, once the folder is known to hold no others.

    Raises:
        LitCausalMixError: For anything that the user can put right, before the first fit where
            that is known.
    """
    rows = checked_rows(task, data)
    digest = settings.digest(rows)
    held_out = run_folds(settings, folder, settings.folds, settings=digest, jobs=jobs, begin=begin)
    choice = choose(
        held_out, task.selection, classification=data.is_classification, further=task.metrics
    )
    return assembled(settings, folder, choice, held_out, task, data)


def checked_rows(task: CausalMixTask, data: CausalMixDataModule) -> str:
    """Reads the table, lets the task refuse it, and returns a digest of its rows."""
    data.read()
    data.check_folds()
    for train, encoder in data.training_tables():
        task.check_table(train, encoder)
    identity = data.splits.identity
    return data.splits.train.fingerprint() if identity is None else json.dumps(identity.summary())


def assembled(
    settings: FoldSettings,
    folder: Path,
    choice: Choice,
    held_out: Sequence[HeldOut],
    task: CausalMixTask,
    data: CausalMixDataModule,
) -> Ensemble:
    """The ensemble after a step, its test rows scored.

    Args:
        settings: The fits.
        folder: Where they are.
        choice: The step.
        held_out: What each member predicts for its validation rows; as many as there are members.
        task: As configured.
        data: Its table has been read.
    """
    test = len(data.splits.test) > 0
    folders = [fold_folder(folder, fold) for fold in range(len(held_out))]
    facts = [FoldFacts.load(place) for place in folders]
    for note in dict.fromkeys(note for told in facts for note in told.notes):
        _log.warning("%s", note)  # a fit of a fold is quiet, and may be in another process
    members = [
        settings.member(fold, member_weights(place, choice.step), test=test, told=facts[fold])
        for fold, place in enumerate(folders)
    ]
    ensemble = Ensemble(choice, members, held_out)
    if not test:
        return ensemble
    zero_shot, scores = (
        scored(
            averaged([found for found in predictions if found is not None]),
            classification=data.is_classification,
            labels=data.domains,
            further=task.metrics,
        )
        for predictions in ([m.zero_shot for m in members], [m.predicted for m in members])
    )
    return replace(ensemble, zero_shot=zero_shot, scores=scores)
