"""The embedded model, zero-shot, beside scikit-learn's defaults, CatBoost and TabPFN.

Every table is split 5 times, stratified: at most 500 training rows (70 % of smaller tables), and at
most 2,000 of the other rows to score. The tables are CSV files beside an `index.json` (target,
categorical columns, task) in the folder LIT_CAUSALMIX_DATA, or in several, separated as in PATH;
none of them may have trained or selected the weights. Finished cells are kept in the results file,
so the script can be interrupted and run again; cells of other weights than the present ones are
measured anew:

    python benchmarks/nano.py --out docs/results/nano.csv

prints means, medians and mean ranks with intervals, and writes them beside the results as Markdown.
--catboost and --tabpfn name the Python of environments with these libraries (`nano_external.py`);
what they have not predicted within five minutes is left out, with a note.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from nano_methods import Extra, Method, methods
from nano_summary import summary

from lit_causalmix.errors import LimitError
from lit_causalmix.metrics import specs
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, TableSplits, load_splits

MOST_TRAIN, MOST_TEST, TRAIN_SHARE = 500, 2_000, 0.7
SEEDS = range(5)
HEADING = """# The embedded model, zero-shot

`python benchmarks/nano.py --out docs/results/nano.csv`

At most 500 training rows, scored on at most 2,000 others; 95 % bootstrap intervals over the tables.
Earlier generations of the embedded model are shown without a place in the ranking, on those of
these tables and seeds that they have.
"""
FIELDS = ["table", "seed", "task", "method", "version", "n_train", "n_test", "n_columns", "roc_auc"]
FIELDS += ["log_loss", "accuracy", "balanced_accuracy", "r2", "mae", "rmse", "seconds", "note"]
FIELDS += ["ece", "brier", "coverage"]
SELECTING = ("wdbc", "diabetes_progression")
"""Copies of scikit-learn's tables, which select the weights: never measured on."""


def read_index(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The tables of all folders that may measure; `file` becomes a whole path."""
    return [
        {**facts, "file": str(folder / facts["file"])}
        for folder in folders
        for facts in json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if facts["name"] not in SELECTING
    ]


def splits_of(facts: dict[str, Any], seed: int) -> TableSplits:
    """The table's split of one seed."""
    train = min(MOST_TRAIN, round(TRAIN_SHARE * facts["n_rows"]))
    return load_splits(
        TableSpec(
            facts["file"],
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
    start = processor_seconds()
    try:
        predicted = torch.from_numpy(method.predict(splits, encoder))
    except LimitError as error:
        return {"note": str(error)}
    seconds = processor_seconds() - start
    target = torch.from_numpy(splits.test.target)
    classes = encoder.n_classes > 0
    scores = {
        spec.name: spec.function(predicted, target.long() if classes else target).value
        for spec in specs(classes)
    }
    if method.interval is not None:
        low, high = method.interval(splits, encoder).T
        inside = (splits.test.target >= low) & (splits.test.target <= high)
        scores["coverage"] = float(inside.mean())
    return {**scores, "seconds": round(seconds, 3), "note": ""}


def processor_seconds() -> float:
    """Processor time of this process and of the finished ones that it started."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


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
        results = results.reindex(columns=FIELDS)[
            [v is None or v == old for v, old in zip(current, results["version"], strict=True)]
        ]
    else:
        results = pd.DataFrame(columns=FIELDS)
    file.parent.mkdir(parents=True, exist_ok=True)
    results.to_csv(file, index=False)
    return results


def measure(
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
            splits = splits_of(facts, seed)
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
    parser.add_argument("--classifier", type=Path, help="folder of other weights")
    parser.add_argument("--regressor", type=Path, help="folder of other weights")
    parser.add_argument("--catboost", type=Path, help="Python of an environment with CatBoost")
    parser.add_argument("--tabpfn", type=Path, help="Python of an environment with tabpfn")
    parser.add_argument("--tabpfn-weights", type=Path, help="file of TabPFN v2's regressor")
    parser.add_argument("--out", type=Path, required=True, help="results file (CSV)")
    parser.add_argument("--tables", nargs="*", help="names; by default all of the index")
    parser.add_argument("--methods", nargs="*", help="names; by default all that are at hand")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # unseen categories, convergence
    tables = read_index([Path(p) for p in os.environ["LIT_CAUSALMIX_DATA"].split(os.pathsep)])
    if arguments.tables:
        tables = [facts for facts in tables if facts["name"] in arguments.tables]
    found = methods(
        Extra(
            arguments.classifier,
            arguments.regressor,
            arguments.catboost,
            arguments.tabpfn,
            arguments.tabpfn_weights,
        )
    )
    if arguments.methods:
        found = {
            task: {name: method for name, method in named.items() if name in arguments.methods}
            for task, named in found.items()
        }
    measure(tables, found, arguments.out, arguments.seeds)
    text = f"{HEADING}\n{summary(pd.read_csv(arguments.out))}"
    arguments.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
