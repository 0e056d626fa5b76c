"""Running the fits of folds: one after the other or side by side, each once."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from lit_causalmix.deadlines import OutOfTimeError, check, until
from lit_causalmix.ensembles.held_out import HeldOut
from lit_causalmix.errors import (
    ConfigurationError,
    FileError,
    HeldError,
    LitCausalMixError,
    WorkerError,
)
from lit_causalmix.files.atomic import write_json
from lit_causalmix.orphans import end_with

FitFold = Callable[[int, Path], None]
"""Fits a fold, given its number and its folder, where `FoldRecorder` leaves what is needed.

Side by side it goes to other processes, so it has to be picklable by cloudpickle. It must depend on
nothing but its arguments: same fold, same bits.
"""

_DONE, _FAILED = "fold.json", "failed.json"


def fold_folder(folder: Path, fold: int) -> Path:
    """The folder of a fold in that of its ensemble."""
    return folder / f"fold_{fold}"


def run_folds(
    fit: FitFold,
    folder: Path,
    folds: int,
    *,
    settings: str,
    jobs: int = 1,
    begin: Callable[[], None] = lambda: None,
) -> list[HeldOut]:
    """Fits the folds that are not finished yet.

    Each has as many threads as this process, whatever `jobs` is, so that all ways lead to the same
    bits.

    Args:
        fit: Fits one fold.
        folder: Of the ensemble; each fold has one in it.
        folds: How many.
        settings: Digest of all that decides the result of the fits, the data included.
        jobs: Folds at once, in processes of their own, which end with this one, however it ends; 1
            stays in this process.
        begin: Called before the first fit, once nothing in the folder speaks against them.

    Returns:
        What every fold predicts for its validation rows, in their order.

    Raises:
        ConfigurationError: If the folder holds folds of other settings.
        WorkerError: If a process dies.
        LitCausalMixError: What a fit raises; finished folds stay.
    """
    tasks = [FoldTask(fit, fold, fold_folder(folder, fold), settings) for fold in range(folds)]
    run_tasks(tasks, jobs=jobs, begin=begin)
    return [HeldOut.load(task.folder) for task in tasks]


@dataclass(frozen=True)
class FoldTask:
    """The fit of one fold.

    Attributes:
        fit: Makes it.
        fold: Its number.
        folder: Its folder.
        settings: Digest of all that decides the result, the data included.
        may_fail: Whether a refusal (`LitCausalMixError`) is noted in the folder in place of raised;
            a full disk, a dead process, or one that works in the folder is raised always.
    """

    fit: FitFold
    fold: int
    folder: Path
    settings: str
    may_fail: bool = False

    @property
    def finished(self) -> bool:
        """Whether it has been run to its end.

        Raises:
            ConfigurationError: If the folder holds a fold of other settings.
        """
        return _finished(self.folder, self.settings)

    @property
    def failure(self) -> str:
        """Why it was refused when it was run last; empty if it was not."""
        try:
            return str(json.loads((self.folder / _FAILED).read_text(encoding="utf-8"))["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def run_tasks(
    tasks: Sequence[FoldTask],
    *,
    jobs: int = 1,
    moment: float | None = None,
    begin: Callable[[], None] = lambda: None,
    done: Callable[[], None] = lambda: None,
) -> None:
    """Runs the fits that are not finished yet, in their order; see `run_folds`.

    Args:
        tasks: The fits, each in a folder of its own.
        jobs: Fits at once.
        moment: Of `time.monotonic()`, when work ends: what is not finished by then leaves nothing,
            and is begun anew another time. None sets no end.
        begin: Called before the first fit, once nothing in the folders speaks against them.
        done: Called after each fit.

    Raises:
        ConfigurationError: If `jobs` is below 1.
        WorkerError: If a process dies.
    """
    if jobs < 1:
        raise ConfigurationError(f"jobs must be at least 1, got {jobs}")
    pending = [task for task in tasks if not task.finished]
    begin()
    if jobs == 1 or len(pending) < 2:
        for task in pending:
            _run(task, moment)
            done()
        return
    threads = torch.get_num_threads()
    side_by_side = Parallel(
        n_jobs=min(jobs, len(pending)),
        backend="loky",
        batch_size=1,
        return_as="generator_unordered",
    )
    try:
        for _ in side_by_side(
            delayed(_run_apart)(task, moment, threads=threads, runner=os.getpid())
            for task in pending
        ):
            done()
    except TerminatedWorkerError as error:
        raise WorkerError(
            "a process that fitted a fold died, of too little memory perhaps: finished folds "
            "are kept; go on with fewer jobs"
        ) from error


def _finished(folder: Path, settings: str) -> bool:
    try:
        content: dict[str, Any] = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        known = content["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if known != settings:
        raise ConfigurationError(
            f"{folder} holds a fold of other settings, weights or data, or one with named weights "
            "of version 0.2.0 or earlier: name another folder, or go on with what it was begun with"
        )
    return True


def _run(task: FoldTask, moment: float | None) -> None:
    start, processor = time.perf_counter(), time.process_time()
    (task.folder / _FAILED).unlink(missing_ok=True)
    try:
        with until(moment):
            check()
            task.fit(task.fold, task.folder)
    except OutOfTimeError:
        return
    except LitCausalMixError as error:
        if not task.may_fail or isinstance(error, FileError | HeldError | WorkerError):
            raise
        write_json(task.folder / _FAILED, {"fold": task.fold, "reason": str(error)})
        return
    HeldOut.load(task.folder)  # what is not there is said now
    seconds = {
        "total": round(time.perf_counter() - start, 3),
        "processor": round(time.process_time() - processor, 3),
    }
    content = {"fold": task.fold, "settings": task.settings, "seconds": seconds}
    write_json(task.folder / _DONE, content)


def _run_apart(task: FoldTask, moment: float | None, *, threads: int, runner: int) -> None:
    end_with(runner)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        _run(task, moment)
