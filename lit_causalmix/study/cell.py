"""One cell: a fit through the command line's own parts, its scores, and what it cost."""

from __future__ import annotations

import gc
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as pl

from lit_causalmix.callbacks import BestWeights
from lit_causalmix.callbacks.evaluation import all_callbacks
from lit_causalmix.callbacks.run_report import AddsContent
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import FileError
from lit_causalmix.files.atomic import finite
from lit_causalmix.files.disk import disk_refusals
from lit_causalmix.study.auto_cell import compared
from lit_causalmix.study.candidates import without_auto
from lit_causalmix.study.cell_facts import values, versions
from lit_causalmix.study.checked_json import RecordError
from lit_causalmix.study.fit_config import FitCLI, portable
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.identity import RECIPE
from lit_causalmix.study.merging import merged
from lit_causalmix.study.probe import CellProbe
from lit_causalmix.study.quiet import quietly
from lit_causalmix.study.record import FAILED, OK, Record, check_record
from lit_causalmix.study.store import Store
from lit_causalmix.training.scoreboard import Scoreboard, Stage
from lit_causalmix.training.task import CausalMixTask

_STAGES: tuple[Stage, ...] = ("val", "test")
_ASKED = ("table", "method", "backbone", "seed", "ratio", "size", "key")
_TRACEBACK_LINES = 12
_MOST_NOTES = 20
_GO_ON = "every finished cell is kept, and the same command goes on from there"


def run_cell(cell: Cell, store: Store) -> Record:
    """Fits, selects, scores; whatever fails is part of the record.

    Args:
        cell: The cell.
        store: Shares zero-shot scores; the record itself is not put there.

    Returns:
        JSON values: the labels of the cell, its `key`, `recipe`, `status` ("ok" or "failed"),
        `notes` (our warnings), `versions`, `seconds` (total, prepare, train, evaluate; of the
        processor over all threads processor in all, processor_fit from training on, and generator
        for its fit, whichever cell made it) and resolved `config`; of a failed cell `error` and
        `traceback`; of a finished one `domain`, `task`, `n_train`, `n_columns`, `n_classes`,
        `device`, `weights` (checksum before training), `best_step`, and by stage (val, test) and
        "domain/metric" the scores `zero_shot`, `scores` and `normalized`, null where undefined;
        besides what further callbacks report (`trajectory`, …), and of a cell that compares
        candidates `auto` (how each fared) and `chosen`.

    Raises:
        FileError: If something cannot be written, for a full disk say.
    """
    start, processor = time.perf_counter(), time.process_time()
    record: Record = {
        **cell.labels,
        "key": cell.key,
        "recipe": RECIPE,
        "config": portable(cell.config),
        "versions": versions(),
    }
    with _own_garbage(), quietly() as notes:
        try:
            with (
                disk_refusals(_GO_ON),
                tempfile.TemporaryDirectory(prefix="lit-causalmix-cell-") as scratch,
            ):
                record |= finite(_fit(cell, store, Path(scratch))) | {"status": OK}
        except SystemExit:  # so Lightning ends what was interrupted outside of a fit
            raise KeyboardInterrupt from None
        except FileError:  # a full disk is no property of the cell: the study ends, and goes on
            raise
        except Exception as error:  # a study goes on, and says which cells failed and why
            record |= {"status": FAILED, **_told(error)}
    seconds = record.setdefault("seconds", {})
    seconds["total"] = round(time.perf_counter() - start, 3)
    seconds["processor"] = round(time.process_time() - processor, 3)  # of all threads
    record["notes"] = list(dict.fromkeys(notes))[:_MOST_NOTES]
    return _checked(record)


def _checked(record: Record) -> Record:
    """The record; a failed one where it could not be read again, for scores beyond all bounds."""
    try:
        check_record(record)
    except RecordError as error:
        kept = {k: record[k] for k in (*_ASKED, "recipe", "config", "versions", "seconds", "notes")}
        return kept | {"status": FAILED, **_told(error)}
    return record


def _fit(cell: Cell, store: Store, scratch: Path) -> Record:
    start = time.perf_counter()
    auto, config = without_auto(cell.config)
    config = merged(config, {"trainer": {"default_root_dir": str(scratch)}})
    if auto is not None:
        return compared(auto, config, scratch)
    cli = FitCLI(config)
    trainer, data = cli.trainer, cli.datamodule
    probe = CellProbe(store)
    all_callbacks(trainer).insert(0, probe)
    for callback in all_callbacks(trainer):
        if isinstance(callback, BestWeights):
            callback.writes = False  # the folder goes with the cell
    cli.fit(model=cli.model, datamodule=data)
    _score_selected(trainer, cli.model, data)
    trainer.test(cli.model, datamodule=data, verbose=False)
    probe.keep_zero_shot()
    end, marks = time.perf_counter(), probe.marks
    board = cli.model.scoreboard
    return {
        "config": portable(cli.values(with_defaults=True)),
        "versions": versions(data.generator, cli.model.adapter),
        "domain": data.splits.train.domain,
        "task": str(data.splits.train.schema.task),
        "n_train": len(data.splits.train),
        "n_columns": len(data.encoder.columns),
        "n_classes": data.encoder.n_classes,
        "device": trainer.strategy.root_device.type,
        "weights": probe.checksum,
        "best_step": board.selected.step if board.selected is not None else trainer.global_step,
        **_scores(board),
        **_further(trainer),
        "seconds": {
            "prepare": round(marks["prepared"] - start, 3),
            "train": round(marks["trained"] - marks["started"], 3),
            "evaluate": round(end - marks["trained"], 3),
            "processor_fit": round(time.process_time() - probe.processor, 3),
            "generator": round(data.generator_seconds, 3),
        },
    }


def _score_selected(trainer: pl.Trainer, task: CausalMixTask, data: CausalMixDataModule) -> None:
    """Has the selected weights' validation scores on the board, in place of the last weights'.

    The validation that selected them is taken for it; weights that were made or kept otherwise are
    scored.
    """
    board = task.scoreboard
    selected = board.selected
    if selected is not None and selected.coefficient is None:
        for entry in board.history:
            loss = task.selection.loss(entry.scores, data.is_classification)
            if entry.step == selected.step and loss == selected.score:
                board.sheets["val"].scores = dict(entry.scores)
                return
    trainer.validate(task, datamodule=data, verbose=False)


@contextmanager
def _own_garbage() -> Iterator[None]:
    """Has the collector look at what is made within alone, and collects that at the end.

    Trainer and module refer to each other, with all weights between them. What the libraries hold
    is left out: to go through it takes a quarter of a second each time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


def _scores(board: Scoreboard) -> Record:
    """Zero-shot, fine-tuned and normalised scores by stage."""
    found: Record = {
        name: {stage: {} for stage in _STAGES} for name in ("zero_shot", "scores", "normalized")
    }
    for stage in _STAGES:
        for sheet in board.of_stage(stage):
            found["zero_shot"][stage] |= values(sheet.zero_shot or {})
            found["scores"][stage] |= values(sheet.scores)
            found["normalized"][stage] |= values(sheet.normalized)
    return found


def _further(trainer: pl.Trainer) -> Record:
    content: Record = {}
    for callback in all_callbacks(trainer):
        if isinstance(callback, AddsContent):
            content |= callback.report_content(trainer)
    return content


def _told(error: Exception) -> Record:
    message = " ".join(str(error).split()) or "no message"
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {
        "error": f"{type(error).__name__}: {message}",
        "traceback": lines[-_TRACEBACK_LINES:],
    }
