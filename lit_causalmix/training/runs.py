"""A run and its folder: claimed by one fit alone, and named in everything that the fit writes."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import lightning.pytorch as pl
from filelock import FileLock, Timeout
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from lit_causalmix.errors import HeldError
from lit_causalmix.files.atomic import refusals, write_json

NumberingLogger = CSVLogger | TensorBoardLogger
"""Loggers that number the folders of their runs."""

RUN_FILE = "run.json"
KEY = "run"
"""Where a checkpoint holds `Run.stamp`."""

_LOCK = ".run.lock"
_PATIENCE = 10.0
"""Seconds to wait for a folder: workers of a killed fit live on for about five."""

_LEFT_BEHIND = re.compile(r"\..+\.[0-9a-f]{32}")
_held: dict[Path, tuple[FileLock, int]] = {}
"""The locks of this process, each with the identity of the trainer that holds it."""

_claimed: weakref.WeakKeyDictionary[Logger, Path] = weakref.WeakKeyDictionary()
"""The folders of runs whose first logger numbers none, on rank 0."""


@dataclass(frozen=True)
class Run:
    """One fit, or one evaluation by itself.

    Attributes:
        id: Random, 32 hexadecimal digits.
        lineage: Ids of the runs that it goes on from, the latest first.
        backbone: Public name of the backbone's class.
    """

    id: str
    lineage: tuple[str, ...] = ()
    backbone: str = ""

    @classmethod
    def new(cls, backbone: str) -> Run:
        """A run of its own."""
        return cls(uuid4().hex, (), backbone)

    def stamp(self) -> dict[str, Any]:
        """As plain values, for checkpoints."""
        return {"id": self.id, "lineage": list(self.lineage), "backbone": self.backbone}


def unnumbered(trainer: pl.Trainer) -> list[NumberingLogger]:
    """The loggers of a trainer that are still to choose the number of their run."""
    found = (item for item in trainer.loggers if isinstance(item, NumberingLogger))
    return [logger for logger in found if logger._version is None]


def claim_numbers(loggers: Sequence[NumberingLogger]) -> None:
    """Gives each logger a folder of the next number, which is made in a step that only one wins.

    Lightning's loggers take the first number that they find free: two fits that look at the same
    moment share it. For rank 0, before anything is written.

    Raises:
        FileError: If a folder cannot be made.
    """
    for logger in loggers:
        logger._version = claim_number(Path(logger.root_dir))


def claim_own(trainer: pl.Trainer) -> Path | None:
    """Claims the next folder below `runs/fit` for a run whose first logger numbers no folders.

    Lightning would give all runs of such a logger (W&B, MLflow) one folder. The claim lasts as long
    as the logger, as a number does; checkpoints without a place of their own go there, too. For
    rank 0.

    Returns:
        The folder; None where the first logger numbers folders itself, or there is none.

    Raises:
        FileError: If it cannot be made.
    """
    first = trainer.loggers[0] if trainer.loggers else None
    if first is None or isinstance(first, NumberingLogger):
        return None
    if first not in _claimed:
        command = "fit" if trainer.state.fn is None else trainer.state.fn.value
        root = Path(trainer.default_root_dir, "runs", command)
        _claimed[first] = root / f"version_{claim_number(root)}"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(_claimed[first] / "checkpoints")
    return _claimed[first]


def claim_folder(trainer: pl.Trainer) -> None:
    """Locks a folder that the configuration names, until the fit ends; for rank 0.

    That is a logger's `version`, or `default_root_dir` without a logger. What a killed fit left
    half-written in it is removed.

    Raises:
        HeldError: If another process works in the folder.
        FileError: If it cannot be made.
    """
    folder = local_folder(trainer)
    hold(trainer, folder)
    remove_leftovers(folder)


def local_folder(trainer: pl.Trainer) -> Path:
    """The run's folder as this rank has it; `run_folder` would wait for the others."""
    logger = trainer.loggers[0] if trainer.loggers else None
    if isinstance(logger, NumberingLogger):
        return Path(logger.log_dir)
    claimed = None if logger is None else _claimed.get(logger)
    return claimed or Path(trainer.default_root_dir)


def run_folder(trainer: pl.Trainer) -> Path:
    """The folder of a run: that of its first logger, or the trainer's root without one.

    Every rank has to call this, as rank 0 tells the others.
    """
    return trainer.strategy.broadcast(local_folder(trainer))


def claim_number(root: Path) -> int:
    """Makes the folder of the next run below a root, `version_N`, and returns N.

    Raises:
        FileError: If it cannot be made.
    """
    with refusals(root):
        root.mkdir(parents=True, exist_ok=True)
        names = (path.name.removeprefix("version_") for path in root.glob("version_*"))
        number = max((int(name) for name in names if name.isdecimal()), default=-1) + 1
        while True:
            try:
                (root / f"version_{number}").mkdir()
            except FileExistsError:
                number += 1
            else:
                return number


def hold(trainer: pl.Trainer, folder: Path) -> None:
    """Locks a folder for the process until `release`, or until the trainer is gone.

    Raises:
        HeldError: If another process holds it.
        FileError: If it cannot be made.
    """
    folder = folder.absolute()
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # A fit may follow another one in the same process, whose end nothing announced.
        lock = _held[folder][0] if folder in _held else FileLock(folder / _LOCK)
        try:
            if not lock.is_locked:
                lock.acquire(timeout=_PATIENCE)
        except NotImplementedError:  # no locks on this file system
            return
        except Timeout as error:
            raise HeldError(
                f"another fit works in {folder}: name another folder (default_root_dir, or the "
                "logger's version), or wait for it"
            ) from error
    _held[folder] = (lock, id(trainer))
    weakref.finalize(trainer, release, id(trainer))


def release(trainer: int) -> None:
    """Ends `hold` for a trainer, given its identity."""
    for folder, (lock, holder) in list(_held.items()):
        if holder == trainer:
            lock.release()
            del _held[folder]


def remove_leftovers(folder: Path) -> None:
    """Removes what atomic writes of killed processes left in a run's folder, which is held."""
    for place in (folder, folder / "checkpoints"):
        if place.is_dir():
            for path in place.iterdir():
                if path.is_file() and _LEFT_BEHIND.fullmatch(path.name):
                    path.unlink(missing_ok=True)


def write_run(folder: Path, run: Run, facts: Mapping[str, object]) -> None:
    """Writes `run.json` into the folder of a run.

    Args:
        folder: The run's folder.
        run: The run.
        facts: Further JSON values: what it was fitted to.

    Raises:
        FileError: If it cannot be written.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / RUN_FILE, {**run.stamp(), "started": started, **facts})
