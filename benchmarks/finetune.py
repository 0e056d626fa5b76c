"""Default fine-tuning against real/SCM mixing, paired per table and seed, on TabPFN v1.

Each cell is one fit through the same datamodule, task and callbacks as `lit-causalmix fit`, with
the packaged default settings; only the synthetic ratio differs. Finished cells are kept in the
results file, so the script can be interrupted and run again. The tables are CSV files beside an
`index.json` (target, categorical columns, domain) in the folder LIT_CAUSALMIX_DATA.

    python benchmarks/finetune.py --out docs/results/finetune.jsonl

writes one line per cell, and prints the table that the README shows.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from lit_causalmix.backbones import TabPFNV1
from lit_causalmix.callbacks import (
    BestWeights,
    DomainMetrics,
    ZeroShotBaseline,
    ZeroShotEarlyStopping,
)
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.task import CausalMixTask

TABLES = (
    "blood_transfusion",
    "diabetes_pima",
    "credit_g",
    "maternal_health_risk",
    "qsar_biodeg",
    "website_phishing",
    "fitness_club",
    "churn",
)
RATIOS = (0.0, 0.5)
SEEDS = (0, 1)


def cell(
    folder: Path, facts: dict[str, Any], seed: int, ratio: float, scratch: Path
) -> dict[str, Any]:
    """One fit and its normalised test scores."""
    start = time.perf_counter()
    data = CausalMixDataModule(
        TableSpec(
            str(folder / facts["file"]),
            target=facts["target"],
            domain=facts["domain"],
            kinds=dict.fromkeys(facts["categorical"], "categorical"),
        ),
        SplitSpec(seed=seed, max_train_rows=300, max_val_rows=150, max_test_rows=1000),
        synthetic_ratio=ratio,
        seed=seed,
        progress=False,
    )
    best = BestWeights()
    callbacks = [ZeroShotBaseline(), DomainMetrics(), ZeroShotEarlyStopping(patience=5), best]
    trainer = pl.Trainer(
        max_epochs=15,
        gradient_clip_val=1.0,
        accelerator="cpu",
        default_root_dir=scratch,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=callbacks,
    )
    task = CausalMixTask(TabPFNV1(), partial(torch.optim.AdamW, lr=1e-5, weight_decay=0.01))
    trainer.fit(task, datamodule=data)
    (test,) = trainer.test(task, datamodule=data, verbose=False)
    gc.collect()  # trainer and module refer to each other, with 300 MB between them
    return {
        "table": facts["name"],
        "domain": facts["domain"],
        "seed": seed,
        "ratio": ratio,
        "seconds": round(time.perf_counter() - start, 1),
        "best_step": best.best_step,
        "test": {k.removeprefix("test/"): v for k, v in test.items()},
    }


def summary(cells: list[dict[str, Any]]) -> str:
    """A Markdown table over the cells that are finished for every ratio, with intervals."""
    key = "real/roc_auc_normalized"
    by = {(c["table"], c["seed"], c["ratio"]): c["test"][key] for c in cells}
    pairs = sorted({(t, s) for t, s, _ in by if all((t, s, r) in by for r in RATIOS)})
    lines = ["| table | " + " | ".join(f"ratio {r:g}" for r in RATIOS) + " | difference |"]
    lines.append("|---|" + "---|" * (len(RATIOS) + 1))
    tables = sorted({t for t, _ in pairs})
    means = {}
    for table in tables:
        rows = np.array([[by[t, s, r] for r in RATIOS] for t, s in pairs if t == table])
        means[table] = rows.mean(axis=0)
        cells_text = " | ".join(f"{v:+.2f}" for v in means[table])
        lines.append(f"| {table} | {cells_text} | {means[table][1] - means[table][0]:+.2f} |")
    values = np.array([[by[t, s, r] for r in RATIOS] for t, s in pairs])
    medians = " | ".join(f"{v:+.2f}" for v in np.median(values, axis=0))
    spread = " | ".join(f"{v:.2f}" for v in values.std(axis=0))
    difference = np.array([means[t][1] - means[t][0] for t in tables])
    generator = rng(0, "bootstrap")
    draws = generator.choice(difference, (10_000, len(difference))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    lines.append(f"| **median of {len(values)} runs** | {medians} | |")
    lines.append(f"| **standard deviation** | {spread} | |")
    lines.append(
        f"| **mean difference over {len(tables)} tables, 95 % interval** | | | "
        f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}] |"
    )
    return "\n".join(lines)


def main() -> int:
    """Runs the missing cells and prints the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/results/finetune.jsonl"))
    parser.add_argument("--scratch", type=Path, default=Path("runs/benchmark"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = Path(os.environ["LIT_CAUSALMIX_DATA"])
    index = {t["name"]: t for t in json.loads((folder / "index.json").read_text(encoding="utf-8"))}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    cells = [json.loads(line) for line in lines]
    done = {(c["table"], c["seed"], c["ratio"]) for c in cells}
    for seed in SEEDS:
        for name in TABLES:
            for ratio in RATIOS:
                if (name, seed, ratio) in done:
                    continue
                cells.append(cell(folder, index[name], seed, ratio, options.scratch))
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(cells[-1]) + "\n")
                sys.stderr.write(f"{name} seed {seed} ratio {ratio}: {cells[-1]['seconds']} s\n")
    print(summary(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
