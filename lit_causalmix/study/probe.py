"""A callback that hands a cell its shared zero-shot scores and notes where its time goes."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl

from lit_causalmix.callbacks import FGSM, ZeroShotBaseline
from lit_causalmix.callbacks.evaluation import Stage, as_task, find_callback
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.files.digests import of_module
from lit_causalmix.metrics import Score
from lit_causalmix.study.identity import content_hash
from lit_causalmix.study.store import Store

_STAGES: tuple[Stage, ...] = ("val", "test")


class CellProbe(pl.Callback):
    """Stands first among a cell's callbacks.

    Zero-shot scores depend on the rows that are scored, their context and the weights alone. They
    are kept in the store under a hash of these and the precision; `ZeroShotBaseline` compares the
    rows once more before it uses them.

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
        self._keys: dict[Stage, str] = {}
        self._shared: set[Stage] = set()
        self._attack_key = ""
        self.marks: dict[str, float] = {}
        self.processor = 0.0
        self.checksum = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        self.marks["prepared"], self.processor = time.perf_counter(), time.process_time()
        self.checksum = of_module(as_task(pl_module).backbone)
        data: CausalMixDataModule = trainer.datamodule  # type: ignore[attr-defined]
        fingerprints = {name: data.evaluation_fingerprint(name) for name in _STAGES}
        self._keys = {
            name: content_hash([name, fingerprint, self.checksum, str(trainer.precision)])
            for name, fingerprint in fingerprints.items()
        }
        known = {name: self._store.zero_shot(key) for name, key in self._keys.items()}
        shared = {name: content for name, content in known.items() if content is not None}
        self._shared = set(shared)
        self._baseline(trainer).load_state_dict(
            {
                "fingerprints": {name: fingerprints[name] for name in shared},
                "scores": {name: _with_nan(content["scores"]) for name, content in shared.items()},
            }
        )
        attack = find_callback(trainer, FGSM)
        if attack is None:
            return
        fingerprint = attack.fingerprint(trainer)
        self._attack_key = content_hash([fingerprint, self.checksum, str(trainer.precision)])
        content = self._store.zero_shot(self._attack_key)
        if content is not None:
            scores = _with_nan(content["scores"])
            attack.load_state_dict({"fingerprint": fingerprint, "zero_shot": scores})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.marks["started"] = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.marks["trained"] = time.perf_counter()

    def keep_zero_shot(self, trainer: pl.Trainer) -> None:
        """Puts the zero-shot scores that this cell measured into the store."""
        for name in _STAGES:
            scores = self._baseline(trainer).scores(name)
            if name not in self._shared and scores:
                self._store.put_zero_shot(self._keys[name], {"scores": _without_nan(scores)})
        attack = find_callback(trainer, FGSM)
        if attack is not None and attack.zero_shot and not self._store.zero_shot(self._attack_key):
            self._store.put_zero_shot(self._attack_key, {"scores": _without_nan(attack.zero_shot)})

    def _baseline(self, trainer: pl.Trainer) -> ZeroShotBaseline:
        baseline = find_callback(trainer, ZeroShotBaseline)
        if baseline is None:
            raise RuntimeError("the plan of a study checks that ZeroShotBaseline is there")
        return baseline


def _without_nan(scores: dict[str, Score]) -> dict[str, list[Any]]:
    return {k: [s.value if s.defined else None, s.note] for k, s in scores.items()}


def _with_nan(scores: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {k: [float("nan") if v is None else v, note] for k, (v, note) in scores.items()}
