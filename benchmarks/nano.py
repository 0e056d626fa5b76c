"""A pre-trained Tab2D, zero-shot, beside scikit-learn's defaults and TabPFN v1.

Every table is split 5 times, stratified: at most 500 training rows (70 % of smaller tables), and at
most 2,000 of the other rows to score. The tables are CSV files beside an `index.json` (target,
categorical columns, task) in the folder LIT_CAUSALMIX_DATA; none of them may have trained or
selected the weights. Finished cells are kept in the results file, so the script can be interrupted
and run again:

    python benchmarks/nano.py --classifier FOLDER --regressor FOLDER --out docs/results/nano.csv

prints mean and median scores and mean ranks, and writes them beside the results as Markdown. To
measure other weights, write to another file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lit_causalmix.backbones import Backbone, Tab2D, TabPFNV1
from lit_causalmix.datamodules.stream import EpisodeParts, EvaluationStream
from lit_causalmix.errors import LimitError, WeightsError
from lit_causalmix.metrics import specs
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, TableSplits, load_splits

MOST_TRAIN, MOST_TEST, TRAIN_SHARE = 500, 2_000, 0.7
SEEDS = range(5)
HEADLINE = {True: "roc_auc", False: "r2"}
Prediction = NDArray[np.float64]
Method = Callable[[TableSplits, Encoder], Prediction]


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


def in_context(backbone: Backbone, splits: TableSplits, encoder: Encoder) -> Prediction:
    """Zero-shot predictions: all training rows are context."""
    backbone.check(splits.train.schema, len(splits.train), n_columns=len(encoder.columns))
    stream = EvaluationStream(
        splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=MOST_TEST
    )
    backbone.eval()
    with torch.no_grad():
        parts = [backbone.predict(backbone(episode), episode) for episode in stream]
    return torch.cat(parts).double().numpy()


def scikit_learn(kind: str, splits: TableSplits, encoder: Encoder) -> Prediction:
    """A method of scikit-learn with its default settings behind the usual preparation.

    Linear models see one-hot categories and standardised numbers with gaps at the mean (and, for
    convergence alone, up to 2,000 iterations), forests category indices, boosting both as they are.
    """
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    classes = encoder.n_classes > 0
    seed = {"random_state": 0}
    model: Any
    if kind == "boosting":
        boosted = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        # The index of a category, -1 where it is missing; boosting bins at most 255 of them.
        model = boosted(categorical_features=encoder.categorical, **seed)
    elif kind == "forest":
        forest = RandomForestClassifier if classes else RandomForestRegressor
        model = make_pipeline(SimpleImputer(), forest(**seed))
    else:
        linear = LogisticRegression(max_iter=2_000) if classes else Ridge()
        columns = make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="most_frequent"), _one_hot(OneHotEncoder)),
                encoder.categorical,
            ),
            (SimpleImputer(), ~encoder.categorical),
        )
        model = make_pipeline(columns, linear)
    model.fit(encoder.features(splits.train.values), encoder.targets(splits.train.values))
    features = encoder.features(splits.test.values)
    if not classes:
        values: Prediction = encoder.y_location + encoder.y_scale * model.predict(features)
        return values
    probabilities = np.zeros((len(features), encoder.n_classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


def _one_hot(encoder: Any) -> Any:
    return encoder(handle_unknown="ignore", sparse_output=False)


def methods(classifier: str | None, regressor: str | None) -> dict[bool, dict[str, Method]]:
    """The methods for classification (True) and regression (False), by name."""
    plain = {name: partial(scikit_learn, name) for name in ("forest", "boosting")}
    found: dict[bool, dict[str, Method]] = {
        True: {"logistic regression": partial(scikit_learn, "linear"), **plain},
        False: {"ridge": partial(scikit_learn, "linear"), **plain},
    }
    for is_classification, folder in ((True, classifier), (False, regressor)):
        if folder is not None:
            model = Tab2D.from_pretrained(folder)
            found[is_classification]["nano"] = partial(in_context, model)
    try:
        found[True]["TabPFN v1"] = partial(in_context, TabPFNV1(n_ensemble=3))
    except WeightsError as error:
        print(f"without TabPFN v1: {error}", file=sys.stderr)
    return found


def cell(method: Method, splits: TableSplits) -> dict[str, Any]:
    """Scores of one method on one split, or why it has none."""
    encoder = Encoder.fit(splits.train)
    start = time.perf_counter()
    try:
        predicted = torch.from_numpy(method(splits, encoder))
    except LimitError as error:
        return {"note": str(error)}
    seconds = time.perf_counter() - start
    target = torch.from_numpy(splits.test.target)
    classes = encoder.n_classes > 0
    scores = {
        spec.name: spec.function(predicted, target.long() if classes else target).value
        for spec in specs(classes)
    }
    return {**scores, "seconds": round(seconds, 3), "note": ""}


FIELDS = ["table", "seed", "task", "method", "n_train", "n_test", "n_columns", "roc_auc"]
FIELDS += ["log_loss", "accuracy", "balanced_accuracy", "r2", "mae", "rmse", "seconds", "note"]


def measure(
    folder: Path,
    tables: Sequence[dict[str, Any]],
    found: dict[bool, dict[str, Method]],
    out: Path,
    seeds: Sequence[int],
) -> None:
    """Fills the results file with the cells that it lacks."""
    done: set[tuple[str, str, str]] = set()
    if out.exists():
        with out.open(newline="") as file:
            done = {(row["table"], row["seed"], row["method"]) for row in csv.DictReader(file)}
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(",".join(FIELDS) + "\n")
    for seed in seeds:
        for facts in tables:
            is_classification = facts["task"] != "regression"
            todo = [
                (name, method)
                for name, method in found[is_classification].items()
                if (facts["name"], str(seed), name) not in done
            ]
            if not todo:
                continue
            splits = splits_of(folder, facts, seed)
            for name, method in todo:
                row = {
                    "table": facts["name"],
                    "seed": seed,
                    "task": facts["task"],
                    "method": name,
                    "n_train": len(splits.train),
                    "n_test": len(splits.test),
                    "n_columns": splits.train.features.shape[1],
                    **cell(method, splits),
                }
                with out.open("a", newline="") as file:
                    csv.DictWriter(file, FIELDS).writerow(row)
                print(f"{facts['name']} {seed} {name}", file=sys.stderr)


def summary(results: pd.DataFrame) -> str:
    """Tables in Markdown: over the tables and seeds that every method has, then per table."""
    parts = []
    for is_classification, metric in HEADLINE.items():
        chosen = results[(results["task"] != "regression") == is_classification]
        if chosen.empty:
            continue
        scores = chosen.pivot_table(index=["table", "seed"], columns="method", values=metric)
        complete = scores.dropna()
        common = complete.groupby("table").mean()
        ranks = common.rank(axis=1, ascending=False)
        overall = pd.DataFrame(
            {
                f"mean {metric}": common.mean(),
                f"median {metric}": common.median(),
                "mean rank": ranks.mean(),
                "first on": (ranks == 1).sum(),
                "seconds": chosen.groupby("method")["seconds"].median(),
            }
        ).sort_values("mean rank")
        if not is_classification:
            errors = chosen.pivot_table(index=["table", "seed"], columns="method", values="mae")
            relative = errors.div(errors.min(axis=1), axis=0).dropna()
            overall.insert(2, "mean MAE / best", relative.mean())
        seeds = complete.index.get_level_values("seed").nunique()
        title = "Classification" if is_classification else "Regression"
        parts += [
            f"### {title}: {len(common)} tables that every method takes, {seeds} seed(s)",
            markdown(overall, {"first on": "{:.0f}", "mean rank": "{:.2f}", "seconds": "{:.2f}"}),
            f"{metric} per table, mean over the seeds:",
            markdown(scores.groupby("table").mean(), {}),
        ]
    return "\n\n".join(parts)


def markdown(frame: pd.DataFrame, formats: dict[str, str]) -> str:
    """A frame as a Markdown table."""
    header = [str(frame.index.name or ""), *map(str, frame.columns)]
    lines = [header, ["---", *["---:"] * len(frame.columns)]]
    for label, row in frame.iterrows():
        cells = [
            "–" if np.isnan(value) else formats.get(str(name), "{:.4f}").format(value)
            for name, value in row.items()
        ]
        lines.append([str(label), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Reads the command line, measures what is missing and prints the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--classifier", help="folder of Tab2D weights")
    parser.add_argument("--regressor", help="folder of Tab2D weights")
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
    text = summary(pd.read_csv(arguments.out))
    arguments.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
