"""What a temperature chosen on validation rows does to probabilities.

`CausalMixClassifier` with its default model, zero-shot, with at most 300 labelled rows, a
fifth of which choose the temperature, on at most 500 other rows of every classification table
beside an `index.json` in the folders of LIT_CAUSALMIX_DATA (separated as in PATH):

    python benchmarks/calibration.py --out docs/results/calibration

Finished tables are kept in the CSV file, so the script can be interrupted and run again.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from intervals import MOST_LABELLED, MOST_SCORED, interval, parts
from nano import read_index

from lit_causalmix.backbones.nano import LATEST
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier
from lit_causalmix.files.atomic import write_text
from lit_causalmix.metrics import specs

METRICS = ("log_loss", "ece")


def measured(facts: dict[str, Any], seed: int) -> dict[str, Any]:
    """Log-loss and calibration error on one table, as they are and with the temperature."""
    X, X_test, y, y_test = parts(facts, seed, classify=True)
    settings = {"max_steps": 0, "calibration": "temperature", "random_state": seed, "device": "cpu"}
    model = CausalMixClassifier("default", **settings)
    model.fit(X, y)
    target = torch.from_numpy(np.searchsorted(model.classes_, y_test.to_numpy(dtype=str)))
    row = {"table": facts["name"], "seed": seed, "temperature": model.model_.temperature}
    for form in ("tempered", "plain"):
        probabilities = torch.from_numpy(model.predict_proba(X_test))
        for spec in specs(True):
            if spec.name in METRICS:
                row[f"{spec.name}_{form}"] = spec.function(probabilities, target).value
        model.model_.temperature = 1.0
    return row


def page(results: pd.DataFrame) -> str:
    """The figures in Markdown."""
    tables = results.groupby("table").mean(numeric_only=True)
    lines = [
        "# A temperature for probabilities",
        "",
        "`python benchmarks/calibration.py --out docs/results/calibration`",
        "",
        f"`CausalMixClassifier`, zero-shot (`Nano` {LATEST}), at most {MOST_LABELLED} labelled "
        f"rows, a fifth of which choose the temperature, at most {MOST_SCORED} others to score; "
        f"{len(tables)} classification tables. Differences are tempered less plain, by table, with "
        "95 % bootstrap intervals over the tables; below 0 is better.",
        "",
        "| metric | plain | tempered | difference | tables better |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in METRICS:
        plain, tempered = (tables[f"{name}_{form}"] for form in ("plain", "tempered"))
        change = (tempered - plain).to_numpy()
        low, high = interval(change)
        lines.append(
            f"| {name} | {plain.mean():.4f} | {tempered.mean():.4f} | "
            f"{change.mean():+.4f} [{low:+.4f}, {high:+.4f}] | {(change < 0).sum()} of "
            f"{len(change)} |"
        )
    low, middle, high = np.quantile(tables["temperature"], [0.1, 0.5, 0.9])
    lines += ["", f"Temperatures: median {middle:.2f}, 10 % to 90 % {low:.2f} to {high:.2f}.", ""]
    return "\n".join(lines)


def main() -> None:
    """Measures what is not measured yet, and writes `OUT.csv` and `OUT.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="without ending")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folders = [Path(part) for part in os.environ["LIT_CAUSALMIX_DATA"].split(os.pathsep)]
    tables = [facts for facts in read_index(folders) if facts["task"] != "regression"]
    file = arguments.out.with_suffix(".csv")
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    done = {(row["table"], row["seed"]) for row in rows}
    for seed in arguments.seeds:
        for facts in tables:
            if (facts["name"], seed) in done:
                continue
            try:
                rows.append(measured(facts, seed))
            except (LitCausalMixError, ValueError) as error:  # a class of too few rows
                print(facts["name"], error, flush=True)
                continue
            write_text(file, pd.DataFrame(rows).round(5).to_csv(index=False))
            print(rows[-1], flush=True)
    write_text(arguments.out.with_suffix(".md"), page(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
