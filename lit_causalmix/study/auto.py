"""`auto`: candidates compared on folds, and the best of them, or zero-shot, as one model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_causalmix.bars import Bar
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.ensembles import (
    AutoSettings,
    Comparison,
    HeldOut,
    Rule,
    fold_folder,
    halve,
    rungs,
)
from lit_causalmix.ensembles.comparison import ZERO_SHOT
from lit_causalmix.ensembles.held_out import forget_others
from lit_causalmix.ensembles.running import FoldTask, run_tasks
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_json
from lit_causalmix.files.digests import of_json
from lit_causalmix.paths import safe_name
from lit_causalmix.study.candidates import of_zero_shot, read_candidates
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.folds import Ensemble, assembled, checked_rows
from lit_causalmix.study.merging import merged
from lit_causalmix.training.selection import Selection
from lit_causalmix.training.task import CausalMixTask

MARK, CANDIDATES = "auto.json", "candidates"
"""The file that notes which comparison a folder holds, and the folder of its fits."""


@dataclass(frozen=True)
class AutoFit:
    """What a comparison ended with.

    Attributes:
        ensemble: The model; for a comparison that was cut it has fewer members than folds.
        comparison: How the candidates fared.
        settings: Of the fits of the chosen one.
    """

    ensemble: Ensemble
    comparison: Comparison
    settings: FoldSettings


def fit_auto(
    auto: AutoSettings,
    config: Mapping[str, Any],
    folder: Path,
    task: CausalMixTask,
    data: CausalMixDataModule,
    *,
    make: Callable[[Mapping[str, Any]], FoldSettings],
    jobs: int = 1,
    begin: Callable[[], None] = lambda: None,
) -> AutoFit:
    """Compares the candidates, and makes a model of the folds of the best.

    The rows are those of the folds, so that the test rows take no part. Every fit is kept as soon
    as it is finished, and a second call with the same folder goes on with the others, to the same
    bits. A limit of time discards the fit under way: what is returned was compared on whole fits.

    Args:
        auto: The candidates.
        config: What they share: JSON values, complete but for `auto`, `data.folds` above 1.
        folder: Of the comparison.
        task: As configured; its rule compares.
        data: As configured; it is read, and nothing slow is done with it.
        make: The fits of a configuration.
        jobs: Fits at once.
        begin: Called before the first fit, once the folder is known to hold no other comparison.

    Raises:
        LitCausalMixError: For anything that the user can put right, before the first fit where
            that is known.
    """
    moment = None if auto.time_limit is None else time.monotonic() + auto.time_limit
    folds = data.folds
    _check(task.selection, folds)
    recipes = read_candidates(auto)
    settings = {name: make(merged(config, recipe)) for name, recipe in recipes.items()}
    rows = checked_rows(task, data)
    untrained = make(of_zero_shot(config))
    scored = make(merged(untrained.config, {"trainer": {"max_steps": 0}}))
    with Bar(
        _count(len(settings), rungs(folds, auto.first_folds)),
        "auto",
        unit="fit",
        steady=True,
        disable=not data.progress,
    ) as bar:
        fits = _Fits(settings, scored, rows, folder, jobs=jobs, moment=moment, bar=bar)
        _mark(folder, of_json([fits.digests, auto.first_folds, folds, auto.min_errors]))
        begin()
        comparison = halve(
            tuple(settings),
            fits,
            Rule(task.selection, data.is_classification, task.metrics, auto.min_errors),
            folds=folds,
            first=auto.first_folds,
            tell=bar.tell,
        )
    chosen = untrained if comparison.chosen is None else settings[comparison.chosen]
    ensemble = assembled(
        chosen, fits.folder(comparison.name), comparison.choice, comparison.held_out, task, data
    )
    if not comparison.cut:  # otherwise more time may go on with all of them
        for name in settings:
            fits.forget(name, comparison.choice.step if name == comparison.chosen else 0)
    return AutoFit(ensemble, comparison, chosen)


def _check(selection: Selection, folds: int) -> None:
    if folds < 2:
        raise ConfigurationError(
            f"auto compares on folds, at least 2, and data.folds is {folds}: --folds 5, say"
        )
    if selection.keeps_last or set(selection.weights()) != {"real"}:
        raise ConfigurationError(
            "auto compares by real held-out rows, as RealValidation and CautiousValidation do, and "
            f"model.selection is {type(selection).__name__}"
        )


def _mark(folder: Path, digest: str) -> None:
    """Notes which comparison the folder holds; weights of what was left out there are gone."""
    path = folder / MARK
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        write_json(path, {"settings": digest})
        return
    if known != digest:
        raise ConfigurationError(
            f"{folder} holds a comparison of other candidates, settings, weights or data, or one "
            "with named weights of version 0.2.0 or earlier: name another folder, or go on with "
            "the ones that it was begun with"
        )


def _count(candidates: int, plan: Sequence[int]) -> int:
    """Fits of a comparison that leaves out half of the candidates after each rung."""
    total, before = 0, 0
    for reached in plan:
        total += candidates * (reached - before)
        candidates, before = math.ceil(candidates / 2), reached
    return total


class _Fits:
    """The fits of the candidates, each candidate in a folder of its own."""

    def __init__(
        self,
        settings: Mapping[str, FoldSettings],
        untrained: FoldSettings,
        rows: str,
        folder: Path,
        *,
        jobs: int,
        moment: float | None,
        bar: Bar,
    ) -> None:
        self._settings, self._untrained, self._rows = settings, untrained, rows
        self.digests = {name: found.digest(rows) for name, found in settings.items()}
        self._folder, self._jobs, self._moment, self._bar = folder, jobs, moment, bar
        self._known: dict[tuple[str, int], HeldOut] = {}

    def folder(self, name: str) -> Path:
        return self._folder / CANDIDATES / safe_name(name)

    def _task(self, name: str, fold: int) -> FoldTask:
        place = fold_folder(self.folder(name), fold)
        return FoldTask(self._settings[name], fold, place, self.digests[name], may_fail=True)

    def run(self, pairs: Sequence[tuple[str, int]]) -> None:
        tasks = [self._task(*pair) for pair in pairs]
        self._bar.update(sum(task.finished for task in tasks))
        run_tasks(tasks, jobs=self._jobs, moment=self._moment, done=self._bar.update)

    def held_out(self, name: str, fold: int) -> HeldOut | None:
        if (name, fold) not in self._known:
            task = self._task(name, fold)
            if not task.finished:
                return None
            self._known[name, fold] = HeldOut.load(task.folder)
        return self._known[name, fold]

    def failure(self, name: str, fold: int) -> str:
        return self._task(name, fold).failure

    def zero_shot(self) -> HeldOut:
        place = fold_folder(self.folder(ZERO_SHOT), 0)
        run_tasks([FoldTask(self._untrained, 0, place, self._untrained.digest(self._rows))])
        return HeldOut.load(place)

    def left_out(self, name: str) -> None:
        self.forget(name, 0)

    def forget(self, name: str, step: int) -> None:
        """Removes the weights of a candidate but for those after a step; 0 keeps none."""
        for folder in self.folder(name).glob("fold_*"):
            forget_others(folder, step)
