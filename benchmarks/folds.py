"""Folds against one split, and the validation rows in the context against training rows alone.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/folds.py run --out runs/folds.jsonl
    python benchmarks/folds.py summarise runs/folds.jsonl

Each table of the development half is fitted with the embedded model on real rows, once on one split
and once on five folds of the very same rows: 300 training and 150 validation rows at most, 400 test
rows, 24 steps on episodes of 160 rows, a validation every 6 (`configs/caps/two-cores.yaml`). From
the same fits the step is chosen by the default rule and by the cautious one. Every score is of the
same test rows; the context holds all 450 rows, but for the line that says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.ensembles import (
    Predicted,
    averaged,
    choose,
    fold_folder,
    member_weights,
    run_folds,
    scored,
)
from lit_causalmix.errors import TableError
from lit_causalmix.metrics import Score, normalized_scores, specs
from lit_causalmix.study.fit_config import default_fragment, read_fragment
from lit_causalmix.study.folds import FoldMember, FoldSettings
from lit_causalmix.study.merging import merged
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.training.selection import CautiousValidation, RealValidation

RULES = {"default": RealValidation(), "cautious": CautiousValidation(min_gain=1.0)}
FOLDS = (1, 5)
_LEFT_OUT = ("ScoreTrajectory", "FGSM")


def configuration(table: Mapping[str, Any], seed: int, folds: int, context: str) -> dict[str, Any]:
    """A complete configuration of `fit`."""
    caps = read_fragment("caps/two-cores")
    caps["trainer"].pop("callbacks+")
    data = {
        "table": dict(table),
        "split": {"seed": seed},
        "seed": seed,
        "folds": folds,
        "context": context,
    }
    pieces = (default_fragment(), caps, read_fragment("baselines/default"), {"data": data})
    return merged(*pieces)


def measured(
    members: Sequence[FoldMember], which: str, data: CausalMixDataModule
) -> dict[str, Score]:
    """Test scores of the mean over the members' predictions."""
    found: list[Predicted] = [getattr(member, which) for member in members]
    return scored(averaged(found), classification=data.is_classification)


def record(table: str, facts: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One table and seed: test scores, chosen steps and processor seconds."""
    result: dict[str, Any] = {"table": table, "seed": seed, "kind": "", "folds": {}}
    only = FoldSettings(configuration(facts, seed, 1, "train")).member(0, {}, test=True)
    classification = only.data.is_classification
    metric = f"real/{specs(classification)[0].name}"
    result["kind"] = "classification" if classification else "regression"
    result["zero_shot_train"] = measured([only], "zero_shot", only.data)[metric].value
    for folds in FOLDS:
        settings = FoldSettings(configuration(facts, seed, folds, "both"))
        with tempfile.TemporaryDirectory(prefix="folds-") as scratch:
            folder, start = Path(scratch), time.process_time()
            held_out = run_folds(settings, folder, folds, settings="")
            entry: dict[str, Any] = {"seconds": round(time.process_time() - start, 2)}
            tested: dict[int, dict[str, float]] = {}
            for name, rule in RULES.items():
                choice = choose(held_out, rule, classification=classification)
                if choice.step not in tested:
                    tested[choice.step] = _tested(settings, folder, choice.step, metric)
                entry[name] = {"step": choice.step, **tested[choice.step]}
        result["folds"][str(folds)] = entry
    return result


def _tested(settings: FoldSettings, folder: Path, step: int, metric: str) -> dict[str, float]:
    members = [
        settings.member(fold, member_weights(fold_folder(folder, fold), step), test=True)
        for fold in range(settings.folds)
    ]
    zero_shot, scores = (
        measured(members, which, members[0].data) for which in ("zero_shot", "predicted")
    )
    gain = normalized_scores(scores, zero_shot)[metric].value
    return {"zero_shot": zero_shot[metric].value, "score": scores[metric].value, "gain": gain}


def run(out: Path, tables: Sequence[str], seeds: Sequence[int]) -> None:
    """Measures what the file does not hold yet, seed by seed."""
    torch.set_num_threads(1)
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
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--tables", nargs="+", default=["development"])
    running.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(arguments.out, arguments.tables, arguments.seeds)


if __name__ == "__main__":
    main()
