"""Running a fit from Python: the parts of the command line, quietly, in a folder that may go."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch.callbacks import ProgressBar
from torch.utils.data import Dataset

import lit_causalmix
import lit_causalmix.callbacks
import lit_causalmix.datamodules
from lit_causalmix.callbacks import ExactResume, FitProgress
from lit_causalmix.callbacks.evaluation import all_callbacks
from lit_causalmix.callbacks.exact_resume import make_exact
from lit_causalmix.callbacks.time_limit import cut_by_limits
from lit_causalmix.datamodules.kept_model import kept_model
from lit_causalmix.ensembles import AutoSettings, Predicted
from lit_causalmix.ensembles.choice import pooled
from lit_causalmix.episode import Episode
from lit_causalmix.estimators.rows import check_known
from lit_causalmix.model import Predictor
from lit_causalmix.quiet import without_tips
from lit_causalmix.study.auto import fit_auto
from lit_causalmix.study.candidates import KEY, without_auto
from lit_causalmix.study.fit_config import FitCLI, portable
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.folds import fit_ensemble
from lit_causalmix.study.merging import merged
from lit_causalmix.study.quiet import heard, quietly
from lit_causalmix.training.runs import claim_number
from lit_causalmix.training.runs import run_folder as of_run
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

SOURCE = "frame"
"""Stands for the table in the configuration; the frame itself goes to the datamodule."""


@dataclass(frozen=True)
class Fitted:
    """What a fit in Python leaves.

    Attributes:
        model: Predicts; on the device of the fit.
        held_out: Predicts the validation rows, of all folds where there are several, as they were
            predicted when they selected.
        cut: What a time limit cut, one sentence each.
        folder: Of the run, `version_N` where it is kept; it may be temporary.
        candidates: What `auto` compared, a mapping each (`Standing.to_json`); empty otherwise.
    """

    model: Predictor
    held_out: Callable[[], Predicted]
    cut: tuple[str, ...]
    folder: Path
    candidates: tuple[dict[str, Any], ...] = ()


@contextmanager
def run_folder(kept: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folder of a run: one that is kept, or a temporary one."""
    if kept is not None:
        yield Path(kept).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="lit-causalmix-") as folder:
        yield Path(folder)


def fit_frame(frame: pd.DataFrame, config: Mapping[str, Any], *, verbose: int) -> Fitted:
    """Fits as the command line does with the same configuration, to a frame.

    Args:
        frame: The table.
        config: Of `estimators.configuration.fit_settings`.
        verbose: 0 shows no progress and nothing of Lightning's; what this package warns of, or
            logs as a warning, is warned of when the fit has ended.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    if verbose:
        with without_tips():
            return _fitted(frame, config, progress=True)
    caught: list[warnings.WarningMessage] = []
    with quietly(caught) as notes:
        fitted = _fitted(frame, config, progress=False)
    own = [str(warning.message) for warning in caught if _is_own(warning.filename)]
    with heard():
        for note in dict.fromkeys([*own, *notes]):
            warnings.warn(note, stacklevel=4)
    return fitted


def _is_own(file: str) -> bool:
    """Whether a warning comes from a file of this package, wherever its parts are installed."""
    parts = (lit_causalmix, lit_causalmix.callbacks, lit_causalmix.datamodules)
    folders = [Path(folder).resolve() for part in parts for folder in part.__path__]
    return any(folder in Path(file).resolve().parents for folder in folders)


def _fitted(frame: pd.DataFrame, config: Mapping[str, Any], *, progress: bool) -> Fitted:
    auto, config = without_auto(config)
    cli = built(config, frame, kept=_is_kept(config))
    check_known(frame, cli.datamodule.table)
    if auto is not None:
        return _fitted_auto(auto, frame, config, cli)
    if cli.datamodule.folds > 1:
        return _fitted_folds(frame, config, cli, progress=progress)
    data, task, trainer = cli.datamodule, cli.model, cli.trainer
    make_exact(trainer)
    callbacks = all_callbacks(trainer)
    if progress:
        callbacks[:] = [c for c in callbacks if not isinstance(c, ProgressBar)] + [FitProgress()]
    cli.fit(model=task, datamodule=data)
    model = kept_model(task, data, portable(cli.values(with_defaults=True)))
    cut = cut_by_limits(trainer)

    def held_out() -> Predicted:
        return predicted(task, data.evaluation_stream("val"))

    return Fitted(model.to(trainer.strategy.root_device), held_out, cut, of_run(trainer))


def _fitted_folds(
    frame: pd.DataFrame, config: Mapping[str, Any], cli: FitCLI, *, progress: bool
) -> Fitted:
    folds = FrameFolds(config, progress, frame=frame)
    with _claimed(config) as folder:
        ensemble = fit_ensemble(folds, folder, cli.model, cli.datamodule)
    model = ensemble.model(portable(cli.values(with_defaults=True))).to(
        cli.trainer.strategy.root_device
    )

    def held_out() -> Predicted:
        return pooled(ensemble.held_out, ensemble.choice.step)

    return Fitted(model, held_out, ensemble.cut, folder)


def _fitted_auto(
    auto: AutoSettings, frame: pd.DataFrame, config: Mapping[str, Any], cli: FitCLI
) -> Fitted:
    def make(settings: Mapping[str, Any]) -> FrameFolds:
        return FrameFolds(settings, progress=False, frame=frame)

    with _claimed(config) as folder:
        found = fit_auto(auto, config, folder, cli.model, cli.datamodule, make=make)
    standings, choice = found.comparison.to_json(), found.comparison.choice
    told = portable(cli.values(with_defaults=True)) | {KEY: asdict(auto)}
    model = found.ensemble.model(told, found.comparison).to(cli.trainer.strategy.root_device)

    def held_out() -> Predicted:
        return pooled(found.ensemble.held_out, choice.step)

    cut = (found.comparison.cut,) if found.comparison.cut else ()
    for sentence in cut:
        _log.warning("The time limit of %.3g s cut this fit: %s", auto.time_limit, sentence)
    return Fitted(model, held_out, cut, folder, tuple(standings))


@contextmanager
def _claimed(config: Mapping[str, Any]) -> Iterator[Path]:
    """A folder of its own for an ensemble, `version_N` as for a single fit.

    In a folder that is shared the next fit, of other rows, would meet the folds of this one.

    Raises:
        FileError: If it cannot be made.
    """
    root = Path(config["trainer"]["default_root_dir"])
    folder = root / f"version_{claim_number(root)}"
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # goes where nothing was written, as nothing was fitted
            folder.rmdir()
        raise


def _is_kept(config: Mapping[str, Any]) -> bool:
    """Whether a run stays when it has ended: `fit_settings` gives a logger to such runs alone."""
    return bool(config["trainer"]["logger"])


def built(config: Mapping[str, Any], frame: pd.DataFrame, *, kept: bool) -> FitCLI:
    """The objects of a fit, the datamodule with the frame for its table.

    Args:
        config: Of the fit.
        frame: The table.
        kept: Whether its folder stays, and so what an interruption would save there.
    """
    cli = FitCLI(merged(config))  # the parser changes what it is given
    cli.datamodule.table = replace(cli.datamodule.table, source=frame)
    if not kept:
        all_callbacks(cli.trainer).append(ExactResume(filename=None))
    return cli


@dataclass(frozen=True)
class FrameFolds(FoldSettings):
    """The fits of folds of a frame, one after the other in this process.

    Attributes:
        frame: The table.
    """

    frame: pd.DataFrame = field(kw_only=True)

    def build(self, config: Mapping[str, Any]) -> FitCLI:
        return built(config, self.frame, kept=_is_kept(self.config))


def predicted(task: CausalMixTask, episodes: Dataset[Episode]) -> Predicted:
    """What a task predicts for the query rows of episodes."""
    task.eval()
    pairs = []
    with torch.inference_mode():
        for index in range(len(episodes)):  # type: ignore[arg-type]
            episode = episodes[index].to(task.device)
            pairs.append((task(episode), episode))
    return Predicted.of(pairs)
