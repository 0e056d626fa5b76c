"""The fits of folds, from a configuration of `fit`: one step for all, the mean of predictions."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_causalmix.callbacks.evaluation import all_callbacks
from lit_causalmix.callbacks.exact_resume import make_exact
from lit_causalmix.callbacks.fold_recorder import MemberPredictions
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
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_json
from lit_causalmix.metrics import Score, normalized_scores
from lit_causalmix.model import Predictor
from lit_causalmix.study.checksums import Start, of_named
from lit_causalmix.study.fit_config import FitCLI, ParsedFit
from lit_causalmix.study.fold_member import FoldFacts, FoldMember
from lit_causalmix.study.identity import asked_backbone, asked_for
from lit_causalmix.study.merging import class_name, merged
from lit_causalmix.study.quiet import quietly
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

_REPLACED = (
    *("ZeroShotEarlyStopping", "BestWeights", "ModelCheckpoint"),  # one fold chooses nothing
    *("RunReport", "PredictionWriter", "ReferenceModels"),  # nor is it what is reported
)
OF_ONE_MODEL = ("ScoreTrajectory", "FGSM", "PretrainedFolder", "WeightInterpolation")
"""Callbacks that know one model, and so no part of folds."""

_RECORDER = {"class_path": "lit_causalmix.callbacks.FoldRecorder"}


@dataclass(frozen=True)
class FoldSettings:
    """The fits of an ensemble, from one configuration of `fit`.

    Attributes:
        config: JSON values, complete, `data.folds` above 1 among them.
        progress: Whether it says which fold has ended.

    Raises:
        ConfigurationError: If a callback is listed that knows one model alone.
    """

    config: Mapping[str, Any]
    progress: bool = True

    def __post_init__(self) -> None:
        for callback in self.config["trainer"].get("callbacks") or ():
            if class_name(callback) in OF_ONE_MODEL:
                raise ConfigurationError(
                    f"{class_name(callback)} knows one model alone, and folds make several: leave "
                    "it out of trainer.callbacks"
                )

    @property
    def folds(self) -> int:
        return int(self.config["data"]["folds"])

    def arguments_of(self, callback: str) -> Mapping[str, Any] | None:
        """Arguments of a listed callback, by the name of its class; None where it is not listed."""
        for listed in self.config["trainer"].get("callbacks") or ():
            if class_name(listed) == callback:
                return listed.get("init_args") or {} if isinstance(listed, Mapping) else {}
        return None

    def digest(self, rows: str) -> str:
        """Over all that decides the fits; `rows` is a digest of the table's content."""
        parsed = ParsedFit(self.of(0, Path())).values(with_defaults=True)
        table = {k: v for k, v in parsed["data"]["table"].items() if k != "source"}
        asked = asked_for(parsed, {**table, "rows": rows})
        with quietly():
            checksum = of_named(Start(self.of(0, Path()), asked_backbone(parsed)))
        return of_json(asked if checksum is None else {**asked, "weights": checksum})

    def of(self, fold: int, folder: Path) -> dict[str, Any]:
        """The configuration of one fold's fit, which leaves its files in a folder."""
        logger = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(folder.parent), "name": "", "version": folder.name},
        }
        kept = [
            callback
            for callback in self.config["trainer"].get("callbacks") or ()
            if class_name(callback) not in _REPLACED
        ]
        trainer = {
            "logger": logger,
            "default_root_dir": str(folder),
            "callbacks": [*kept, _RECORDER],
            **_QUIET,
        }
        return merged(self.config, {"data": {"fold": fold, "progress": False}, "trainer": trainer})

    def build(self, config: Mapping[str, Any]) -> FitCLI:
        """Builds the objects of one fit."""
        return FitCLI(config)

    def __call__(self, fold: int, folder: Path) -> None:
        """Fits a fold."""
        start = time.perf_counter()
        with quietly() as notes:
            cli = self.build(self.of(fold, folder))
            make_exact(cli.trainer)
            cli.fit(model=cli.model, datamodule=cli.datamodule)
            FoldFacts.of(cli.trainer, notes).save(folder)
        seconds = time.perf_counter() - start
        if self.progress:
            sys.stderr.write(f"fold {fold + 1} of {self.folds}: {seconds:.0f} s\n")

    def member(
        self, fold: int, weights: Mapping[str, Any], *, test: bool, told: FoldFacts
    ) -> FoldMember:
        """A fold with its weights; with `test`, it and its zero-shot predict the test rows."""
        with tempfile.TemporaryDirectory(prefix="lit-causalmix-fold-") as scratch, quietly():
            plain = {"callbacks": [], "logger": False, "default_root_dir": scratch, **_QUIET}
            cli = self.build(merged(self.of(fold, Path(scratch)), {"trainer": plain}))
            cli.datamodule.given_up = told.given_up
            predictions = MemberPredictions(dict(weights))
            all_callbacks(cli.trainer).append(predictions)
            run = cli.trainer.test if test else cli.trainer.validate
            run(cli.model, datamodule=cli.datamodule, verbose=False)
            return FoldMember(
                cli.model, cli.datamodule, predictions.zero_shot, predictions.predicted, told
            )


_QUIET = {
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


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
