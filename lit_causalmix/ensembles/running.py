"""Running the fits of folds: one after the other or side by side, each once."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from lit_causalmix.ensembles.held_out import HeldOut
from lit_causalmix.errors import ConfigurationError, WorkerError
from lit_causalmix.files.atomic import write_json
from lit_causalmix.orphans import end_with

FitFold = Callable[[int, Path], None]
"""Fits a fold, given its number and its folder, where `FoldRecorder` leaves what is needed.

Side by side it goes to other processes, so it has to be picklable by cloudpickle. It must depend on
nothing but its arguments: same fold, same bits.
"""

_DONE = "fold.json"


def fold_folder(folder: Path, fold: int) -> Path:
    """The folder of a fold in that of its ensemble."""
    return folder / f"fold_{fold}"


def run_folds(
    fit: FitFold, folder: Path, folds: int, *, settings: str, jobs: int = 1
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

    Returns:
        What every fold predicts for its validation rows, in their order.

    Raises:
        ConfigurationError: If the folder holds folds of other settings.
        WorkerError: If a process dies.
        LitCausalMixError: What a fit raises; finished folds stay.
    """
    if jobs < 1:
        raise ConfigurationError(f"jobs must be at least 1, got {jobs}")
    pending = [fold for fold in range(folds) if not _finished(fold_folder(folder, fold), settings)]
    tasks = [(fit, fold, fold_folder(folder, fold), settings) for fold in pending]
    if jobs == 1 or len(pending) < 2:
        for task in tasks:
            _run(*task)
    else:
        threads = torch.get_num_threads()
        try:
            Parallel(n_jobs=min(jobs, len(pending)), backend="loky", batch_size=1)(
                delayed(_run_apart)(*task, threads=threads, runner=os.getpid()) for task in tasks
            )
        except TerminatedWorkerError as error:
            raise WorkerError(
                "a process that fitted a fold died, of too little memory perhaps: finished folds "
                "are kept; go on with fewer jobs"
            ) from error
    return [HeldOut.load(fold_folder(folder, fold)) for fold in range(folds)]


def _finished(folder: Path, settings: str) -> bool:
    try:
        content: dict[str, Any] = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        known = content["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if known != settings:
        raise ConfigurationError(
            f"{folder} holds a fold of other settings or other data: name another folder, or go on "
            "with the settings that it was begun with"
        )
    return True


def _run(fit: FitFold, fold: int, folder: Path, settings: str) -> None:
    start, processor = time.perf_counter(), time.process_time()
    fit(fold, folder)
    HeldOut.load(folder)  # what is not there is said now
    seconds = {
        "total": round(time.perf_counter() - start, 3),
        "processor": round(time.process_time() - processor, 3),
    }
    write_json(folder / _DONE, {"fold": fold, "settings": settings, "seconds": seconds})


def _run_apart(
    fit: FitFold, fold: int, folder: Path, settings: str, *, threads: int, runner: int
) -> None:
    end_with(runner)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        _run(fit, fold, folder, settings)
