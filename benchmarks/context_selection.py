"""Which rows are the context where a model takes fewer than there are: score and seconds.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/context_selection.py --out docs/results/context.md

Zero-shot, `Nano` with at most `--limit` context rows, on the three largest tables of the folder
(rows times columns, at most 60 columns), test rows `--test`. Seconds are processor time of the
predictions, the choice of rows among them, on one thread. What stands in the JSON file beside the
page is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from itertools import product
from pathlib import Path

import lightning.pytorch as pl
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.backbones.nano import LATEST
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.metrics import DomainScores
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training import CausalMixTask

RULES = ("stratified", "random", "balanced", "nearest")
METRICS = {True: ("real/roc_auc", "real/log_loss"), False: ("real/r2", "real/rmse")}


def largest(folder: Path, number: int) -> list[dict[str, str]]:
    """The entries of the index with the most cells."""
    entries = [e for e in json.loads((folder / "index.json").read_text()) if e["n_features"] <= 60]
    return sorted(entries, key=lambda e: -e["n_rows"] * e["n_features"])[:number]


def measured(
    folder: Path, entry: dict[str, str], rule: str, seed: int, limit: int, test: int
) -> tuple[dict[str, float], float, int]:
    """Scores by key, seconds, and rows to choose from."""
    regression = entry["task"] == "regression"
    data = CausalMixDataModule(
        TableSpec(str(folder / entry["file"]), target=entry["target"], task=entry["task"]),
        SplitSpec(seed=seed, max_test_rows=test),
        synthetic_ratio=0.0,
        context_selection=rule,
        seed=seed,
        progress=False,
    )
    task = CausalMixTask(Nano(max_context_rows=limit)).eval()
    trainer = pl.Trainer(
        logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False
    )
    trainer.strategy.connect(task)
    data.trainer = task.trainer = trainer
    data.prepare_data()
    data.setup("test")
    stream = data.evaluation_stream("test")
    scores = DomainScores(not regression, data.domains, ())
    start = time.process_time()
    with torch.no_grad():
        for index in range(len(stream)):
            episode = stream[index]
            scores.update(task(episode), episode)
    seconds = time.process_time() - start
    found = {key: score.value for key, score in scores.compute().items()}
    return found, seconds, len(data.splits.train) + len(data.splits.val)


def page(rows: list[dict], limit: int, test: int, seeds: int) -> str:
    """The page in Markdown."""
    lines = [
        "# Context of a table larger than the model takes",
        "",
        "Written by `benchmarks/context_selection.py` (its first lines hold the command).",
        "",
        f"Zero-shot `Nano` {LATEST} with at most {limit} context rows, {test} test rows, {seeds}",
        "seeds of split and choice: means, standard deviations over seeds in brackets. Processor",
        "seconds of predicting the test rows, the choice of rows included, are medians, one core.",
        "",
        "| table | rows to choose from | rule | ROC-AUC or R² | log-loss or RMSE | seconds |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        cells = [
            f"{statistics.mean(v):.4f} ({statistics.stdev(v) if len(v) > 1 else 0.0:.4f})"
            for v in (row["better"], row["loss"])
        ]
        seconds = statistics.median(row["seconds"])
        lines.append(
            f"| {row['table']} | {row['candidates']:,} | {row['rule']} | {cells[0]} | {cells[1]} "
            f"| {seconds:.1f} |"
        )
    loss = {(row["table"], row["rule"]): row["loss"] for row in rows}
    lines.append("")
    for rule in RULES[1:]:
        pairs = [
            (loss[table, rule][seed], loss[table, RULES[0]][seed])
            for table in dict.fromkeys(row["table"] for row in rows)
            if (table, rule) in loss
            for seed in range(seeds)
        ]
        lower = sum(one < other for one, other in pairs)
        lines.append(f"- {rule}: lower loss than {RULES[0]} in {lower} of {len(pairs)} cases")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures and writes the page, and the figures of each seed beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=512)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    folder = Path(os.environ["LIT_CAUSALMIX_DATA"])
    figures = options.out.with_suffix(".json")
    rows = json.loads(figures.read_text()) if figures.is_file() else []
    known = {(row["table"], row["rule"]) for row in rows}
    for entry, rule in product(largest(folder, 3), RULES):
        regression = entry["task"] == "regression"
        if (entry["name"], rule) in known or (rule == "balanced" and regression):
            continue
        better, loss = METRICS[not regression]
        found = [
            measured(folder, entry, rule, seed, options.limit, options.test)
            for seed in range(options.seeds)
        ]
        scores, seconds, candidates = zip(*found, strict=True)
        row = {
            "table": entry["name"],
            "rule": rule,
            "candidates": candidates[0],
            "better": [score[better] for score in scores],
            "loss": [score[loss] for score in scores],
            "seconds": list(seconds),
        }
        rows.append(row)
        figures.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    options.out.write_text(page(rows, options.limit, options.test, options.seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
