"""Where a fit stands within its steps: the one place that reads Lightning's private progress."""

from __future__ import annotations

from typing import Any, cast

import lightning.pytorch as pl
from lightning.pytorch.loops.progress import _ProcessedTracker


def _batches(trainer: pl.Trainer) -> _ProcessedTracker:
    """The batches of the present epoch, by how far each has come."""
    # Declared as its base class.
    return cast("_ProcessedTracker", trainer.fit_loop.epoch_loop.batch_progress.current)


def is_within_step(trainer: pl.Trainer) -> bool:
    """Whether a batch was begun whose forward, backward and optimiser step are not all done."""
    return _batches(trainer).processed != _batches(trainer).ready


def between_steps(trainer: pl.Trainer) -> bool:
    """Whether the last batch completed an optimiser step: no gradients are being accumulated."""
    return not is_within_step(trainer) and not trainer.fit_loop._should_accumulate()


def validation_due(trainer: pl.Trainer) -> bool:
    """Whether a validation follows the batch that has just been processed and is not completed."""
    loop, progress = trainer.fit_loop, _batches(trainer)
    fetcher = loop._data_fetcher
    if fetcher is None or progress.processed != progress.ready:
        return False
    if progress.completed == progress.processed:  # `on_train_batch_end` is over
        return False
    return bool(loop.epoch_loop._should_check_val_fx(fetcher))


def await_validation(state: dict[str, Any]) -> None:
    """Lets a saved fit loop begin with the validation that was due when it was saved.

    Lightning takes a checkpoint of `on_train_batch_end` for one behind the validation, and leaves
    it out on resuming: an epoch would end without its score. It goes back into a validation that
    was begun, though; so the batch counts as completed and the validation as begun.

    Args:
        state: `checkpoint["loops"]["fit_loop"]`, changed in place.
    """
    batches = state["epoch_loop.batch_progress"]
    validation = state["epoch_loop.val_loop.batch_progress"]
    for scope in ("total", "current"):
        batches[scope]["completed"] = batches[scope]["processed"]
    done = validation["total"]["completed"]
    validation["total"] = {
        "ready": done + 1,
        "started": done + 1,
        "processed": done,
        "completed": done,
    }
    validation["current"] = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
    validation["is_last_batch"] = False


def is_within_epoch(state: dict[str, Any]) -> bool:
    """Whether a saved fit loop has taken a part of an epoch's episodes.

    Args:
        state: `checkpoint["loops"]["fit_loop"]`.
    """
    loaders = state["state_dict"].get("combined_loader", ())
    ended = state["epoch_loop.batch_progress"]["is_last_batch"]
    return not ended and any(loader.get("yielded") for loader in loaders)


def begin_next_epoch(state: dict[str, Any]) -> None:
    """Lets a fit loop that was saved at the end of an epoch begin with the next one.

    Lightning does so by itself, except with `max_steps`: there it ends the finished epoch once
    more, without having trained or validated, and early stopping finds no score. What was saved
    within an epoch stays as it is.

    Args:
        state: `checkpoint["loops"]["fit_loop"]`, changed in place.
    """
    epochs, batches = state["epoch_progress"], state["epoch_loop.batch_progress"]
    total = epochs["total"]
    if not total["ready"] == total["started"] == total["processed"] == total["completed"] + 1:
        return
    for scope in ("total", "current"):
        epochs[scope]["completed"] = epochs[scope]["processed"]
    batches["current"] = dict.fromkeys(batches["current"], 0)
    batches["is_last_batch"] = False
    for loader in state["state_dict"].get("combined_loader", ()):
        if "yielded" in loader:  # an `EpisodeLoader`, which may have had more to give
            loader["yielded"] = 0
    # Lightning takes the first pass through the loop for the end of a step; only loggers count so.
    state["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
