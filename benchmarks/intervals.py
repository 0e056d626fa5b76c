"""How often the central intervals of a regression hold the truth.

`CausalMixRegressor` with its default model, zero-shot, with at most 300 labelled rows, on at most
500 other rows of every regression table beside an `index.json` in the folders of LIT_CAUSALMIX_DATA
(separated as in PATH):

    python benchmarks/intervals.py --out docs/results/intervals

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
from nano import read_index
from sklearn.model_selection import train_test_split

from lit_causalmix.backbones.nano import LATEST
from lit_causalmix.estimators import CausalMixRegressor
from lit_causalmix.files.atomic import write_text

MOST_LABELLED, MOST_SCORED, SHARE = 300, 500, 0.7
LEVELS = (0.5, 0.8, 0.9)
RESAMPLES = 2_000


def parts(facts: dict[str, Any], seed: int, *, classify: bool) -> list[Any]:
    """Rows to fit to and rows to score of a table: X, X_test, y, y_test, stratified by class."""
    frame = pd.read_csv(facts["file"], dtype=dict.fromkeys(facts["categorical"], "category"))
    frame = frame[frame[facts["target"]].notna()]
    X, y = frame.drop(columns=facts["target"]), frame[facts["target"]]
    y = y.astype(str if classify else float)
    labelled = min(MOST_LABELLED, round(SHARE * len(frame)))
    return train_test_split(
        *(X, y),
        train_size=labelled,
        test_size=min(MOST_SCORED, len(frame) - labelled),
        stratify=y if classify else None,
        random_state=seed,
    )


def measured(facts: dict[str, Any], seed: int) -> dict[str, Any]:
    """Coverage and width of the intervals on one table."""
    X, X_test, y, y_test = parts(facts, seed, classify=False)
    settings = {"max_steps": 0, "random_state": seed, "device": "cpu"}
    model = CausalMixRegressor("default", **settings).fit(X, y)
    tails = sorted({tail for level in LEVELS for tail in ((1 - level) / 2, (1 + level) / 2)})
    found = model.predict(X_test, output="quantiles", quantiles=tails)
    row = {"table": facts["name"], "seed": seed, "labelled": len(X), "scored": len(X_test)}
    for k, level in enumerate(sorted(LEVELS, reverse=True)):
        low, high = found[:, k], found[:, -1 - k]
        inside = (y_test >= low) & (y_test <= high)
        row[f"coverage_{level:g}"] = float(inside.mean())
        row[f"width_{level:g}"] = float((high - low).mean() / y.std())
    return row


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean over tables."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def page(results: pd.DataFrame) -> str:
    """The figures in Markdown."""
    tables = results.groupby("table").mean(numeric_only=True)
    lines = [
        "# Intervals of a regression",
        "",
        "`python benchmarks/intervals.py --out docs/results/intervals`",
        "",
        f"`CausalMixRegressor`, zero-shot (`Nano` {LATEST}), at most {MOST_LABELLED} labelled "
        f"rows, at most {MOST_SCORED} others to score; {len(tables)} regression tables, seeds "
        f"{', '.join(map(str, sorted(results['seed'].unique())))}. Coverage is the share of true "
        "values in the central interval; widths are in standard deviations of the target. Means "
        "over the tables, with 95 % bootstrap intervals over them.",
        "",
        "| interval | coverage | median table | tables below by more than 5 points | width |",
        "|---|---:|---:|---:|---:|",
    ]
    for level in LEVELS:
        coverage = tables[f"coverage_{level:g}"].to_numpy()
        low, high = interval(coverage)
        lines.append(
            f"| {level:.0%} | {coverage.mean():.3f} [{low:.3f}, {high:.3f}] | "
            f"{np.median(coverage):.3f} | {(coverage < level - 0.05).sum()} of {len(tables)} | "
            f"{tables[f'width_{level:g}'].mean():.2f} |"
        )
    worst = tables.sort_values("coverage_0.9").head(5)
    names = ", ".join(f"{name} ({row['coverage_0.9']:.2f})" for name, row in worst.iterrows())
    return "\n".join([*lines, "", f"Lowest coverage of the 90 % interval: {names}.", ""])


def main() -> None:
    """Measures what is not measured yet, and writes `OUT.csv` and `OUT.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="without ending")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folders = [Path(part) for part in os.environ["LIT_CAUSALMIX_DATA"].split(os.pathsep)]
    tables = [facts for facts in read_index(folders) if facts["task"] == "regression"]
    file = arguments.out.with_suffix(".csv")
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    done = {(row["table"], row["seed"]) for row in rows}
    for seed in arguments.seeds:
        for facts in tables:
            if (facts["name"], seed) in done:
                continue
            rows.append(measured(facts, seed))
            write_text(file, pd.DataFrame(rows).round(4).to_csv(index=False))
            print(rows[-1]["table"], rows[-1]["coverage_0.9"], flush=True)
    write_text(arguments.out.with_suffix(".md"), page(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
