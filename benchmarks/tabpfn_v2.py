"""Fine-tuning the TabPFN v2 regressor: ours beside the fine-tuner of the package `tabpfn`.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/tabpfn_v2.py run --out FILE.jsonl
    python benchmarks/tabpfn_v2.py report FILE.jsonl --out docs/results/tabpfn-v2.md

Five regression tables, three seeds, small caps (`CAPS`). Equal for all: weights
(`lit-causalmix weights pull tabpfn-v2-regressor`), rows, one view of the table in training and
evaluation, AdamW at `RATE` with decay 0.01 (at 1e-5, the default of both, so few steps change
nothing), gradients clipped at 1, `STEPS` steps on episodes of all training rows split 80/20, scored
on the validation rows every `EVERY` steps, the best of them and zero-shot returned, the test rows
predicted from the training rows. The package keeps its own loss (CRPS and squared error), schedule
and order of rows; its activation checkpointing is off, as ours. Processor seconds are those of the
whole fit, validation included, with one thread. `run` goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from lit_causalmix.backbones import TabPFN
from lit_causalmix.callbacks import BestWeights, DomainMetrics, ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.generators import JitterGenerator, SCMGenerator
from lit_causalmix.study.statistics import student_interval
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training import CausalMixTask
from lit_causalmix.weights import locate

TABLES = (
    "concrete",
    "qsar_fish_toxicity",
    "airfoil_self_noise",
    "fiat500_used",
    "healthcare_insurance",
)
CAPS = {"max_train_rows": 120, "max_val_rows": 60, "max_test_rows": 150}
STEPS, EVERY = 12, 4
RATE = 3e-5
WEIGHTS = "tabpfn-v2-regressor"
METHODS = ("default", "causalmixft", "jitter", "package")
Cell = dict[str, Any]


def data_of(table: TableSpec, method: str, seed: int) -> CausalMixDataModule:
    """The rows of a cell, with its generator fitted."""
    generators = {"causalmixft": SCMGenerator, "jitter": JitterGenerator}
    data = CausalMixDataModule(
        table,
        SplitSpec(seed=seed, **CAPS),
        generator=generators[method]() if method in generators else None,
        synthetic_ratio=0.5 if method in generators else 0.0,
        episodes_per_epoch=EVERY,
        context="train",
        seed=seed,
        progress=False,
    )
    data.prepare_data()
    data.setup()
    return data


def ours(data: CausalMixDataModule, folder: str) -> Cell:
    """Fits with this package."""
    optimizer = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.01)
    task = CausalMixTask(TabPFN(WEIGHTS), optimizer)
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=STEPS // EVERY,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ZeroShotBaseline(), DomainMetrics(), BestWeights()],
    )
    start = time.process_time()
    trainer.fit(task, datamodule=data)
    seconds = time.process_time() - start
    found = trainer.test(task, datamodule=data, verbose=False)[0]
    zero_shot = task.zero_shot("test")["real/rmse"].value
    return {"zero_shot": zero_shot, "rmse": found["test/real/rmse"], "seconds": seconds}


def package(data: CausalMixDataModule, seed: int, folder: str) -> Cell:
    """Fits with the package's fine-tuner."""
    from tabpfn.finetuning import FinetunedTabPFNRegressor

    encoder, splits = data.encoder, data.splits
    x, y = {}, {}
    for name, part in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        x[name] = encoder.features(part.values).astype(np.float64)
        y[name] = part.values[:, -1]
    TabPFN(WEIGHTS).save_pretrained(folder)
    settings = {
        "model_path": str(Path(folder) / "model.safetensors"),
        "inference_precision": torch.float32,
        "categorical_features_indices": np.flatnonzero(encoder.categorical).tolist(),
        "ignore_pretraining_limits": True,
    }
    model = FinetunedTabPFNRegressor(
        device="cpu",
        epochs=STEPS,
        learning_rate=RATE,
        random_state=seed,
        early_stopping_patience=STEPS,
        validation_frequency=EVERY,
        n_estimators_finetune=1,
        n_estimators_validation=1,
        n_estimators_final_inference=1,
        use_activation_checkpointing=False,
        extra_regressor_kwargs=settings,
    )
    start = time.process_time()
    model.fit(x["train"], y["train"], X_val=x["val"], y_val=y["val"])
    seconds = time.process_time() - start
    errors = model.predict(x["test"]) - y["test"]
    return {"rmse": float(np.sqrt(np.mean(errors**2))), "seconds": seconds}


def measured(table: TableSpec, method: str, seed: int) -> Cell:
    """A cell, with its process's highest memory in MB before the fit and after the test."""
    quiet()
    data = data_of(table, method, seed)
    before = peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        found = package(data, seed, folder) if method == "package" else ours(data, folder)
    return {**found, "memory_before": before, "memory": peak_memory()}


def peak_memory() -> float:
    """The highest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def quiet() -> None:
    """One thread, and no words but ours."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def run(out: Path) -> None:
    """Runs what the file does not hold yet, seed by seed."""
    locate(WEIGHTS)
    tables = {name: TableSpec(**facts) for name, facts in find_tables(TABLES, None).items()}
    done = {(c["table"], c["method"], c["seed"]) for c in read(out)} if out.exists() else set()
    for seed in range(3):
        for name in TABLES:
            for method in METHODS:
                if (name, method, seed) in done:
                    continue
                # A process of its own, as a process knows its highest memory alone.
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    found = pool.apply(measured, (tables[name], method, seed))
                cell = {"table": name, "method": method, "seed": seed, **found}
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(cell) + "\n")
                sys.stderr.write(f"{cell}\n")


def read(path: Path) -> list[Cell]:
    """The cells of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def gain(cell: Cell, zero_shot: float) -> float:
    """How much lower the error is than zero-shot's, in per cent."""
    return 100 * (1 - float(cell["rmse"]) / zero_shot)


def with_interval(means: list[float]) -> str:
    """The mean over tables, with the half width of its interval."""
    interval = student_interval(np.array(means), 0.95)
    half = (interval.high - interval.low) / 2
    shown = f" ± {half:.2f}" if math.isfinite(half) else ""
    return f"{statistics.mean(means):+.2f}{shown}"


def report(cells: list[Cell]) -> str:
    """The comparison as a page in Markdown, over tables and seeds where every method has run."""
    by = {(c["table"], c["seed"], c["method"]): c for c in cells}
    pairs = sorted({(t, s) for t, s, _ in by if all((t, s, m) in by for m in METHODS)})
    if not pairs:
        sys.exit("no table and seed has been run with every method yet")
    lines = [
        "# Fine-tuning the TabPFN v2 regressor",
        "",
        f"{len({t for t, _ in pairs})} tables, {len(pairs)} cells of table and seed, "
        f"{CAPS['max_train_rows']} training rows, {STEPS} steps. Made by "
        "`benchmarks/tabpfn_v2.py`, whose docstring says what is equal. Gain: how much lower the "
        "test RMSE is than zero-shot's, in per cent, ± the half width of a 95 % t interval over "
        "tables of the means over seeds. Seconds and memory are medians; memory is the highest of "
        "a process beyond what it had before the fit.",
        "",
        "| method | gain | worst cell | seconds of the fit / steps | memory [MB] |",
        "|---|---:|---:|---:|---:|",
    ]
    by_method: dict[str, list[float]] = {}
    for method in METHODS:
        gains: dict[str, list[float]] = {}
        for table, seed in pairs:
            zero_shot = by[table, seed, "default"]["zero_shot"]
            gains.setdefault(table, []).append(gain(by[table, seed, method], zero_shot))
        means = [statistics.mean(values) for values in gains.values()]
        worst = min(min(values) for values in gains.values())
        seconds = statistics.median(by[t, s, method]["seconds"] / STEPS for t, s in pairs)
        cells_of = [by[t, s, method] for t, s in pairs]
        memory = statistics.median(c["memory"] - c["memory_before"] for c in cells_of)
        lines.append(
            f"| {method} | {with_interval(means)} | {worst:+.2f} | {seconds:.2f} | {memory:.0f} |"
        )
        by_method[method] = means
    gaps = np.subtract(by_method["default"], by_method["package"])
    lines += ["", f"Default minus package, paired: {with_interval(gaps.tolist())} points."]
    lines += ["", "| table | zero-shot | " + " | ".join(METHODS) + " |", "|---|" + "---|" * 5]
    for table in TABLES:
        seeds = [s for t, s in pairs if t == table]
        if seeds:
            columns = [[by[table, s, "default"]["zero_shot"] for s in seeds]]
            columns += [[by[table, s, m]["rmse"] for s in seeds] for m in METHODS]
            lines.append(f"| {table} | " + " | ".join(f"{np.mean(c):.4g}" for c in columns) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs cells, or reports them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--out", type=Path, required=True)
    shows = commands.add_parser("report")
    shows.add_argument("cells", type=Path)
    shows.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "run":
        quiet()
        run(arguments.out)
    else:
        arguments.out.write_text(report(read(arguments.cells)), encoding="utf-8")


if __name__ == "__main__":
    main()
