"""The fits of folds, from a configuration of `fit`."""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_causalmix.callbacks.evaluation import all_callbacks
from lit_causalmix.callbacks.exact_resume import make_exact
from lit_causalmix.callbacks.fold_recorder import MemberPredictions
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_json
from lit_causalmix.study.checksums import Start, of_named
from lit_causalmix.study.fit_config import FitCLI, ParsedFit
from lit_causalmix.study.fold_member import FoldFacts, FoldMember
from lit_causalmix.study.identity import asked_backbone, asked_for
from lit_causalmix.study.merging import class_name, is_packaged, merged
from lit_causalmix.study.quiet import quietly

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
            if is_packaged(callback, OF_ONE_MODEL):
                raise ConfigurationError(
                    f"{class_name(callback)} knows one model alone, and folds make several: leave "
                    "it out of trainer.callbacks"
                )
            if is_packaged(callback, ("ModelCheckpoint",)) and _has_a_place(callback):
                warnings.warn(
                    "folds keep the weights that the choice among their steps needs: a "
                    "ModelCheckpoint with dirpath or monitor is left out",
                    stacklevel=2,
                )

    @property
    def folds(self) -> int:
        return int(self.config["data"]["folds"])

    def arguments_of(self, callback: str) -> Mapping[str, Any] | None:
        """Arguments of a listed callback, by the name of its class; None where it is not listed."""
        for listed in self.config["trainer"].get("callbacks") or ():
            if is_packaged(listed, (callback,)):
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
            if not is_packaged(callback, _REPLACED)
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
            run = cli.test if test else cli.validate
            run(model=cli.model, datamodule=cli.datamodule, verbose=False)
            return FoldMember(
                cli.model, cli.datamodule, predictions.zero_shot, predictions.predicted, told
            )


def _has_a_place(callback: Any) -> bool:
    """Whether a listed checkpoint is one that the user asked for, and not that of every fit."""
    arguments = callback.get("init_args") if isinstance(callback, Mapping) else None
    return any((arguments or {}).get(name) is not None for name in ("dirpath", "monitor"))


_QUIET = {
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
