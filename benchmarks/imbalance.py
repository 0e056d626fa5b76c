"""What helps where one class is rare: weights, balanced episodes and draws, a threshold.

    LIT_CAUSALMIX_DATA=FOLDER:FOLDER python benchmarks/imbalance.py --out runs/imbalance.jsonl
    python benchmarks/imbalance_summary.py runs/imbalance.jsonl

The binary tables of the development half with the smallest share of a class are fitted with the
embedded model: 300 training and 150 validation rows at most, 24 steps on episodes of 160 rows, a
validation every 6, as in `benchmarks/folds.py`, but 1,000 test rows, as a rare class has few. Each
way of training is one fit; from it the step is chosen by log-loss (the default), by ROC-AUC, by
balanced accuracy, or is the last one, and each choice decides at one half and at a threshold that
the validation rows chose.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from folds import Fits

from lit_causalmix.backbones import Nano
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.ensembles import Predicted, choose, fold_folder, member_weights, run_folds
from lit_causalmix.generators import SCMGenerator
from lit_causalmix.metrics.functional import balanced_accuracy, roc_auc
from lit_causalmix.model.decision import decided, fit_threshold
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.tables.sources import read_source
from lit_causalmix.training import BalancedValidation, CautiousValidation, RealValidation
from lit_causalmix.training.task import CausalMixTask

RULES = {
    "log-loss": RealValidation(),
    "ROC-AUC": CautiousValidation(min_gain=0.0),
    "balanced accuracy": BalancedValidation(),
}
LAST = "last step"
CAUSAL = {"synthetic_ratio": 0.5}
WAYS: dict[str, dict[str, Any]] = {
    "real rows": {},
    "real rows, class weights": {"class_weight": "balanced"},
    "real rows, balanced queries": {"episode_classes": "balanced_query"},
    "real rows, balanced episodes": {"episode_classes": "balanced"},
    "causal rows": CAUSAL,
    "causal rows, balanced draws": {**CAUSAL, "synthetic_classes": "balanced"},
}
"""Ways of training: what differs from real rows as they are."""


@dataclass(frozen=True)
class Ways(Fits):
    """The fit of one table, seed and way of training."""

    cache: str = ""
    way: Mapping[str, Any] = field(default_factory=dict)

    def data(self, fold: int) -> CausalMixDataModule:
        """The datamodule of the fit."""
        settings = {k: v for k, v in self.way.items() if k != "class_weight"}
        return CausalMixDataModule(
            TableSpec(**self.table),
            SplitSpec(self.seed, max_train_rows=300, max_val_rows=150, max_test_rows=1000),
            generator=SCMGenerator(n_dags=4, n_resamples=2),
            episode_rows=160,
            episodes_per_epoch=6,
            folds=self.folds,
            fold=fold,
            seed=self.seed,
            cache_dir=self.cache,
            progress=False,
            **{"synthetic_ratio": 0.0, **settings},
        )

    def task(self) -> CausalMixTask:
        """The model before training."""
        return CausalMixTask(
            Nano(1, n_ensemble=1, read_columns=24),
            partial(torch.optim.AdamW, lr=1e-4, weight_decay=0.01),
            class_weight=self.way.get("class_weight"),
        )


def scores(test: Predicted, held_out: Predicted) -> dict[str, float]:
    """ROC-AUC, and balanced accuracy of decisions at one half and at a threshold."""
    threshold = fit_threshold(held_out.predictions.numpy(), held_out.target.numpy())
    probabilities = test.predictions.numpy()
    decisions = torch.eye(2)[torch.from_numpy(decided(probabilities, threshold))]
    return {
        "roc_auc": roc_auc(test.predictions, test.target).value,
        "balanced_accuracy": balanced_accuracy(test.predictions, test.target).value,
        "balanced_accuracy_threshold": balanced_accuracy(decisions, test.target).value,
        "threshold": threshold,
    }


def record(table: str, facts: Mapping[str, Any], seed: int, cache: str) -> dict[str, Any]:
    """One table and seed: chosen steps, scores and processor seconds of each way."""
    result: dict[str, Any] = {"table": table, "seed": seed, "ways": {}}
    for name, way in WAYS.items():
        fits = Ways(facts, seed, cache=cache, way=way)
        with tempfile.TemporaryDirectory(prefix="imbalance-") as scratch:
            folder, start = Path(scratch), time.process_time()
            (held_out,) = run_folds(fits, folder, 1, settings="")
            seconds = round(time.process_time() - start, 2)
            chosen = {
                rule: choose([held_out], how, classification=True).step
                for rule, how in RULES.items()
            }
            chosen[LAST] = max(held_out.steps)
            steps = sorted({0, *chosen.values()})
            weights = [member_weights(fold_folder(folder, 0), step) for step in steps]
            found = {
                step: scores(test, held_out.moments[step])
                for step, test in zip(steps, fits.predicted(0, weights), strict=True)
            }
        result["zero_shot"] = found[0]
        rules = {rule: {"step": step, **found[step]} for rule, step in chosen.items()}
        result["ways"][name] = {"seconds": seconds, "rules": rules}
    return result


def rarest(tables: Mapping[str, Mapping[str, Any]], n: int) -> dict[str, Mapping[str, Any]]:
    """The binary tables with the smallest share of a class, the smallest first."""
    shares = {}
    for name, facts in tables.items():
        if facts["task"] == "binary":
            numbers = Counter(read_source(TableSpec(**facts)).frame[facts["target"]])
            shares[name] = min(numbers.values()) / sum(numbers.values())
    return {name: tables[name] for name in sorted(shares, key=shares.__getitem__)[:n]}


def run(out: Path, tables: Sequence[str], n: int, seeds: Sequence[int]) -> None:
    """Measures what the file does not hold yet, seed by seed."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    chosen = rarest(find_tables(list(tables), None), n)
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    known = {(found["table"], found["seed"]) for found in map(json.loads, lines)}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="imbalance-cache-") as cache:
        for seed in seeds:
            for name, facts in chosen.items():
                if (name, seed) in known:
                    continue
                start = time.process_time()
                line = json.dumps(record(name, facts, seed, cache))
                with out.open("a", encoding="utf-8") as stream:
                    stream.write(line + "\n")
                sys.stderr.write(f"{name} {seed}: {time.process_time() - start:.0f} s\n")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=["development"])
    parser.add_argument("--rarest", type=int, default=5, help="how many of them")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    run(arguments.out, arguments.tables, arguments.rarest, arguments.seeds)


if __name__ == "__main__":
    main()
