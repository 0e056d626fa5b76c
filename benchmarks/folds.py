"""Folds against one split, and the validation rows in the context against training rows alone.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/folds.py --out runs/folds.jsonl
    python benchmarks/folds_summary.py runs/folds.jsonl

Each table of the development half is fitted with the embedded model on real rows, once on one
split and once on five folds of the very same rows: 300 training and 150 validation rows at most,
400 test rows, 24 steps on episodes of 160 rows, a validation every 6, as in the caps of the studies
(`configs/caps/two-cores.yaml`). From the same fits the step is chosen by the default rule and by
the cautious one. Every score is of the same test rows; the context holds all 450 rows, but for the
column that says otherwise.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.callbacks import DomainMetrics, FoldRecorder, ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.kept_model import kept_member
from lit_causalmix.ensembles import (
    Predicted,
    averaged,
    choose,
    fold_folder,
    member_weights,
    run_folds,
    scored,
)
from lit_causalmix.ensembles.held_out import Weights
from lit_causalmix.errors import TableError
from lit_causalmix.metrics import specs
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training.selection import CautiousValidation, RealValidation
from lit_causalmix.training.task import CausalMixTask

RULES = {"default": RealValidation(), "cautious": CautiousValidation(min_gain=1.0)}
FOLDS = (1, 5)


@dataclass(frozen=True)
class Fits:
    """The fits of one table, seed and number of folds; called with a fold it makes its fit."""

    table: Mapping[str, Any]
    seed: int
    folds: int = 1
    context: Any = "both"

    def data(self, fold: int) -> CausalMixDataModule:
        """The datamodule of a fold."""
        return CausalMixDataModule(
            TableSpec(**self.table),
            SplitSpec(self.seed, max_train_rows=300, max_val_rows=150, max_test_rows=400),
            synthetic_ratio=0.0,
            episode_rows=160,
            episodes_per_epoch=6,
            folds=self.folds,
            fold=fold,
            context=self.context,
            seed=self.seed,
            progress=False,
        )

    def task(self) -> CausalMixTask:
        """The model before training."""
        return CausalMixTask(
            Nano(1, n_ensemble=1, read_columns=24),
            partial(torch.optim.AdamW, lr=1e-4, weight_decay=0.01),
        )

    def __call__(self, fold: int, folder: Path) -> None:
        """Fits a fold."""
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=4,
            gradient_clip_val=1.0,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[ZeroShotBaseline(), DomainMetrics(), FoldRecorder()],
        )
        trainer.fit(self.task(), datamodule=self.data(fold))

    def predicted(self, fold: int, weights: Sequence[Weights]) -> list[Predicted]:
        """What each of several sets of weights predicts for the test rows."""
        return predicted(self.task(), self.data(fold), weights)

    def test_scores(self, folder: Path, steps: Sequence[int], classes: bool) -> list[float]:
        """The headline test score after each of several steps; step 0 is zero-shot."""
        members = []
        for fold in range(self.folds):
            weights = [member_weights(fold_folder(folder, fold), step) for step in steps]
            members.append(self.predicted(fold, weights))
        means = [averaged([member[i] for member in members]) for i in range(len(steps))]
        return [headline(mean, classes) for mean in means]


def predicted(
    task: CausalMixTask, data: CausalMixDataModule, weights: Sequence[Weights]
) -> list[Predicted]:
    """What a model predicts for the test rows with each of several sets of changed weights."""
    data.read()
    task.check_table(data.splits.train, data.encoder)
    start = {name: value.clone() for name, value in task.state_dict().items()}
    test, found = data.splits.test, []
    classes = data.is_classification
    target = torch.from_numpy(test.target.astype("int64" if classes else "float64"))
    facts = (target, torch.from_numpy(test.rows), torch.zeros(len(test), dtype=torch.int8))
    for changed in weights:
        task.load_state_dict({**start, **changed})
        predictions = kept_member(task, data).predict(test.values)
        found.append(Predicted(torch.from_numpy(predictions), *facts))
    return found


def headline(predicted: Predicted, classes: bool) -> float:
    """ROC-AUC or RMSE over all rows."""
    return scored(predicted, classification=classes)[f"real/{specs(classes)[0].name}"].value


def record(table: str, facts: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One table and seed: test scores, chosen steps and processor seconds of the fits."""
    classes = facts["task"] != "regression"
    (alone,) = Fits(facts, seed, context="train").predicted(0, [{}])
    result: dict[str, Any] = {
        "table": table,
        "seed": seed,
        "kind": "classification" if classes else "regression",
        "zero_shot_train": headline(alone, classes),
        "folds": {},
    }
    for folds in FOLDS:
        fits = Fits(facts, seed, folds)
        with tempfile.TemporaryDirectory(prefix="folds-") as scratch:
            folder, start = Path(scratch), time.process_time()
            held_out = run_folds(fits, folder, folds, settings="")
            entry: dict[str, Any] = {"seconds": round(time.process_time() - start, 2)}
            chosen = {
                name: choose(held_out, rule, classification=classes).step
                for name, rule in RULES.items()
            }
            steps = sorted({0, *chosen.values()})
            scores = dict(zip(steps, fits.test_scores(folder, steps, classes), strict=True))
        entry["zero_shot"] = scores[0]
        entry |= {name: {"step": step, "score": scores[step]} for name, step in chosen.items()}
        result["folds"][str(folds)] = entry
    return result


def run(out: Path, tables: Sequence[str], seeds: Sequence[int]) -> None:
    """Measures what the file does not hold yet, seed by seed."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    known = {(found["table"], found["seed"]) for found in map(json.loads, lines)}
    for seed in seeds:
        for name, facts in find_tables(list(tables), None).items():
            if (name, seed) in known:
                continue
            start = time.process_time()
            try:
                line = json.dumps(record(name, facts, seed))
            except TableError as error:  # a class with fewer rows than folds
                line = json.dumps({"table": name, "seed": seed, "left_out": str(error)})
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
            sys.stderr.write(f"{name} {seed}: {time.process_time() - start:.0f} s\n")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=["development"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    run(arguments.out, arguments.tables, arguments.seeds)


if __name__ == "__main__":
    main()
