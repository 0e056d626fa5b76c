"""`fit --folds K` and `fit --auto`: their options, and the fits."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lit_causalmix.commands.ensemble_report import EnsembleReport
from lit_causalmix.configuration import config_folder
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.ensembles import fold_folder
from lit_causalmix.ensembles.held_out import forget_others
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.auto import CANDIDATES, MARK, fit_auto
from lit_causalmix.study.candidates import without_auto
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.folds import fit_ensemble
from lit_causalmix.training.runs import RUN_FILE
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
    """Takes `--jobs` and `--resume` out of the arguments of `fit`; others are short for settings.

    `--folds` is `--data.folds`, and `--auto` the configuration auto, below all that is
    said besides.

    Raises:
        ConfigurationError: For a value that is none.

    Example:
        >>> taken_options(["fit", "--folds", "5", "--jobs=2"])
        (FoldOptions(jobs=2, resume=None), ['fit', '--data.folds=5'])
    """
    if not args or args[0] != "fit":
        return FoldOptions(), list(args)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--auto", action="store_true")
    parser.add_argument("--folds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--resume", type=Path)
    try:
        found, rest = parser.parse_known_args(list(args))
    except argparse.ArgumentError as error:
        raise ConfigurationError(
            f"fit takes --folds K --jobs N --resume FOLDER, and --auto alone: {error}"
        ) from error
    if found.jobs < 1:
        raise ConfigurationError(f"--jobs must be at least 1, got {found.jobs}")
    if found.auto:
        rest[1:1] = ("--config", str(config_folder() / "auto.yaml"))
    if found.folds is not None:
        rest.append(f"--data.folds={found.folds}")
    return FoldOptions(found.jobs, found.resume), rest


def check_resumed(folder: Path, *, auto: bool) -> None:
    """Refuses to go on in a folder that holds another kind of fit, whose files would be lost.

    Args:
        folder: Named by `--resume`.
        auto: Whether candidates are to be compared.

    Raises:
        ConfigurationError: With what it holds.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"--resume names no folder of a fit: {folder}")
    folds = any(folder.glob("fold_*"))
    compared = (folder / MARK).exists() or (folder / CANDIDATES).exists()
    if (folder / RUN_FILE).exists():
        raise ConfigurationError(
            f"--resume goes on with folds, and {folder} holds a run without them: a fit goes on by "
            f"--ckpt_path {folder}/checkpoints/last.ckpt"
        )
    if folds if auto else compared:
        held = "folds of one recipe, without --auto" if auto else "a comparison, of --auto"
        raise ConfigurationError(
            f"--resume names a folder of another kind of fit: {folder} holds {held}"
        )
    begun = any(not path.name.startswith(".") for path in folder.iterdir())
    if begun and not (folds or compared or (folder / "config.yaml").exists()):
        raise ConfigurationError(f"--resume names no folder of a fit: {folder}")


def fit_folds(
    config: Mapping[str, Any],
    folder: Path,
    task: CausalMixTask,
    data: CausalMixDataModule,
    *,
    jobs: int,
    begin: Callable[[], None],
    notes: Sequence[str] = (),
) -> None:
    """Fits the folds, of one recipe or of candidates, reports the ensemble, and keeps its model.

    Args:
        config: The complete configuration of `fit`, JSON values.
        folder: Of the ensemble.
        task: As configured.
        data: As configured.
        jobs: Folds at once.
        begin: Called before the first fit, once the folder is known to hold no others.
        notes: Warnings so far, for the page.
    """
    auto, whole = without_auto(config)
    shared = {name: whole[name] for name in _PARTS if name in whole}
    if auto is None:
        settings = FoldSettings(shared)
        ensemble = fit_ensemble(settings, folder, task, data, jobs=jobs, begin=begin)
        EnsembleReport(ensemble, settings, task, data, folder, config, notes).write()
        for fold in range(settings.folds):
            forget_others(fold_folder(folder, fold), ensemble.choice.step)
        return
    make = partial(FoldSettings, progress=False)
    found = fit_auto(auto, shared, folder, task, data, make=make, jobs=jobs, begin=begin)
    EnsembleReport(
        found.ensemble, found.settings, task, data, folder, config, notes, found.comparison
    ).write()
