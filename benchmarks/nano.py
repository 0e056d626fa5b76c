"""The embedded model, zero-shot, beside scikit-learn's defaults and TabPFN v1.

Every table is split 5 times, stratified: at most 500 training rows (70 % of smaller tables), and at
most 2,000 of the other rows to score. The tables are CSV files beside an `index.json` (target,
categorical columns, task) in the folder LIT_CAUSALMIX_DATA; none of them may have trained or
selected the weights. Finished cells are kept in the results file, so the script can be interrupted
and run again; cells of other weights than the present ones are measured anew:

    python benchmarks/nano.py --out docs/results/nano.csv

prints means, medians and mean ranks with intervals, and writes them beside the results as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from nano_methods import Method, methods
from nano_summary import summary

from lit_causalmix.errors import LimitError
from lit_causalmix.metrics import specs
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, TableSplits, load_splits

MOST_TRAIN, MOST_TEST, TRAIN_SHARE = 500, 2_000, 0.7
SEEDS = range(5)
HEADING = """# The embedded model, zero-shot

`python benchmarks/nano.py --out docs/results/nano.csv`

At most 500 training rows, scored on at most 2,000 others; 95 % bootstrap intervals over the tables.
"""
FIELDS = ["table", "seed", "task", "method", "version", "n_train", "n_test", "n_columns", "roc_auc"]
FIELDS += ["log_loss", "accuracy", "balanced_accuracy", "r2", "mae", "rmse", "seconds", "note"]


def splits_of(folder: Path, facts: dict[str, Any], seed: int) -> TableSplits:
    """The table's split of one seed."""
    train = min(MOST_TRAIN, round(TRAIN_SHARE * facts["n_rows"]))
    return load_splits(
        TableSpec(
            str(folder / facts["file"]),
            target=facts["target"],
            kinds=dict.fromkeys(facts["categorical"], "categorical"),
            task=facts["task"],
        ),
        SplitSpec(
            seed=seed,
            val_fraction=0.0,
            test_fraction=1 - train / facts["n_rows"],
            max_train_rows=MOST_TRAIN,
            max_test_rows=MOST_TEST,
        ),
    )


def cell(method: Method, splits: TableSplits) -> dict[str, Any]:
    """Scores of one method on one split and its processor time, or why it has none."""
    encoder = Encoder.fit(splits.train)
    start = time.process_time()
    try:
        predicted = torch.from_numpy(method.predict(splits, encoder))
    except LimitError as error:
        return {"note": str(error)}
    seconds = time.process_time() - start
    target = torch.from_numpy(splits.test.target)
    classes = encoder.n_classes > 0
    scores = {
        spec.name: spec.function(predicted, target.long() if classes else target).value
        for spec in specs(classes)
    }
    return {**scores, "seconds": round(seconds, 3), "note": ""}


def open_results(file: Path, found: dict[bool, dict[str, Method]]) -> pd.DataFrame:
    """Reads the finished cells without those of other weights, and writes the file back so."""
    if file.exists():
        results = pd.read_csv(file, keep_default_na=False, na_values={"roc_auc": "", "r2": ""})
        versions = {
            (is_classification, name): method.version
            for is_classification, named in found.items()
            for name, method in named.items()
        }
        keys = zip(results["task"] != "regression", results["method"], strict=True)
        current = [versions.get(key) for key in keys]
        results = results[
            [v is None or v == old for v, old in zip(current, results["version"], strict=True)]
        ]
    else:
        results = pd.DataFrame(columns=FIELDS)
    file.parent.mkdir(parents=True, exist_ok=True)
    results.to_csv(file, index=False)
    return results


def measure(
    folder: Path,
    tables: Sequence[dict[str, Any]],
    found: dict[bool, dict[str, Method]],
    out: Path,
    seeds: Sequence[int],
) -> None:
    """Fills the results file with the cells that it lacks."""
    results = open_results(out, found)
    done = set(zip(results["table"], results["seed"], results["method"], strict=True))
    for seed in seeds:
        for facts in tables:
            todo = {
                name: method
                for name, method in found[facts["task"] != "regression"].items()
                if (facts["name"], seed, name) not in done
            }
            if not todo:
                continue
            splits = splits_of(folder, facts, seed)
            for name, method in todo.items():
                row = {
                    "table": facts["name"],
                    "seed": seed,
                    "task": facts["task"],
                    "method": name,
                    "version": method.version,
                    "n_train": len(splits.train),
                    "n_test": len(splits.test),
                    "n_columns": splits.train.features.shape[1],
                    **cell(method, splits),
                }
                line = pd.DataFrame([row], columns=FIELDS)
                line.to_csv(out, mode="a", header=False, index=False)
                print(f"{facts['name']} {seed} {name}", file=sys.stderr)


def main() -> None:
    """Reads the command line, measures what is missing and prints the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--classifier", type=Path, help="folder of other Tab2D weights")
    parser.add_argument("--regressor", type=Path, help="folder of other Tab2D weights")
    parser.add_argument("--out", type=Path, required=True, help="results file (CSV)")
    parser.add_argument("--tables", nargs="*", help="names; by default all of the index")
    parser.add_argument("--methods", nargs="*", help="names; by default all that are at hand")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # unseen categories, convergence
    folder = Path(os.environ["LIT_CAUSALMIX_DATA"])
    tables = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    if arguments.tables:
        tables = [facts for facts in tables if facts["name"] in arguments.tables]
    found = methods(arguments.classifier, arguments.regressor)
    if arguments.methods:
        found = {
            task: {name: method for name, method in named.items() if name in arguments.methods}
            for task, named in found.items()
        }
    measure(folder, tables, found, arguments.out, arguments.seeds)
    text = f"{HEADING}\n{summary(pd.read_csv(arguments.out))}"
    arguments.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
