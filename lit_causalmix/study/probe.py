"""A callback that hands a cell its shared zero-shot scores and notes where its time goes."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import as_task
from lit_causalmix.files.digests import of_module
from lit_causalmix.generators.parts.backbone import plain_settings
from lit_causalmix.metrics import Score
from lit_causalmix.names import public_name
from lit_causalmix.study.identity import content_hash
from lit_causalmix.study.store import Store
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.task import CausalMixTask


class CellProbe(FitCallback):
    """A cell's memory of zero-shot scores, and its clock.

    Zero-shot scores depend on the rows that are scored, their context, the backbone (weights and
    settings, such as how many views vote) and the metrics. They are kept in the store under a hash
    of these and the precision.

    Args:
        store: Where zero-shot scores are kept.

    Attributes:
        marks: Event → `time.perf_counter()`: prepared (the table is read and its generator fitted),
            started and trained.
        processor: `time.process_time()` when the table was prepared.
        checksum: Of the backbone's weights before training.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scored_by: list[object] = []
        self._measured: dict[str, dict[str, Score]] = {}
        self.marks: dict[str, float] = {}
        self.processor = 0.0
        self.checksum = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        self.marks["prepared"], self.processor = time.perf_counter(), time.process_time()
        task = as_task(pl_module)
        self.checksum = of_module(task.backbone)
        self._scored_by = [
            public_name(type(task.backbone)),
            self.checksum,
            plain_settings(task.plain_backbone()),
            sorted(metric.name for metric in task.metrics),
            str(trainer.precision),
        ]
        task.memory = self

    def on_opened(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        self.marks["started"] = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.marks["trained"] = time.perf_counter()

    def known(self, sheet: str, rows: str) -> dict[str, Score] | None:
        """Zero-shot scores that another cell measured on the same rows with the same weights."""
        content = self._store.zero_shot(self._key(sheet, rows))
        return None if content is None else _with_nan(content["scores"])

    def measured(self, sheet: str, rows: str, scores: dict[str, Score]) -> None:
        """Notes what this cell measured."""
        self._measured[self._key(sheet, rows)] = scores

    def keep_zero_shot(self) -> None:
        """Puts the zero-shot scores that this cell measured into the store."""
        for key, scores in self._measured.items():
            self._store.put_zero_shot(key, {"scores": _without_nan(scores)})

    def _key(self, sheet: str, rows: str) -> str:
        return content_hash([sheet, rows, *self._scored_by])


def _without_nan(scores: dict[str, Score]) -> dict[str, list[Any]]:
    return {k: [s.value if s.defined else None, s.note] for k, s in scores.items()}


def _with_nan(scores: dict[str, list[Any]]) -> dict[str, Score]:
    return {k: Score(float("nan") if v is None else v, note) for k, (v, note) in scores.items()}
