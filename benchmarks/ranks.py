"""Two processes (gloo) beside one: the same episodes a step, so the same gradients.

    python benchmarks/ranks.py [--steps 20] [--repeats 3] [--rows 300]

Trains the embedded model on German credit, real rows alone, with two episodes a step: both in one
process, and one in each of two, in turn. Writes a table in Markdown: medians of wall seconds and of
processor seconds between the first step and the last, the speed-up by wall clock, and the bound on
it that processor seconds give: those of the one process over those of the busiest of two, which is
what two free cores could do; wall seconds say something on free cores alone. The weights behind
the last step are compared, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

PROCESSES = (1, 2)
EPISODES = 2
"""Of a step, over all processes."""


def train(devices: int, steps: int, rows: int, folder: Path) -> None:
    """Trains, and writes `rankN.json` of each process and `weights.safetensors`."""
    import lightning.pytorch as pl
    import torch
    from safetensors.torch import save_file

    from lit_causalmix.backbones import Nano
    from lit_causalmix.datamodules import CausalMixDataModule
    from lit_causalmix.tables import SplitSpec, TableSpec
    from lit_causalmix.training.task import CausalMixTask

    class Clock(pl.Callback):
        """Times everything behind the first step."""

        def __init__(self) -> None:
            self.start = (0.0, 0.0)
            self.seconds = (0.0, 0.0)

        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
            now = time.perf_counter(), time.process_time()
            if trainer.global_step == 1:
                self.start = now
            self.seconds = now[0] - self.start[0], now[1] - self.start[1]

    torch.set_num_threads(1)
    clock = Clock()
    data = CausalMixDataModule(
        TableSpec("german_credit"),
        SplitSpec(max_train_rows=rows),
        synthetic_ratio=0.0,
        episodes_per_epoch=EPISODES * (steps + 1),
        progress=False,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=1,
        accumulate_grad_batches=EPISODES // devices,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    task = CausalMixTask(Nano(2), partial(torch.optim.SGD, lr=1e-3))  # linear in the gradients
    trainer.fit(task, datamodule=data)
    path = folder / f"rank{trainer.global_rank}.json"
    path.write_text(json.dumps(clock.seconds), encoding="utf-8")
    if trainer.is_global_zero:
        tensors = {name: t.contiguous() for name, t in task.state_dict().items()}
        save_file(tensors, folder / "weights.safetensors")


def measured(devices: int, arguments: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Wall seconds, and processor seconds of the busiest process."""
    folder.mkdir(parents=True)
    sizes = ["--steps", str(arguments.steps), "--rows", str(arguments.rows)]
    command = [sys.executable, __file__, *sizes, "--train", str(devices), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    ranks = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("rank*.json"))]
    wall, processor = (max(values) for values in zip(*ranks, strict=True))
    return wall, processor


def difference(one: Path, other: Path) -> float:
    """Largest absolute difference between the weights of two files."""
    from safetensors.torch import load_file

    first, second = load_file(one), load_file(other)
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", type=int, default=300, help="training rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", nargs=2, metavar=("DEVICES", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        devices, folder = int(arguments.train[0]), Path(arguments.train[1])
        train(devices, arguments.steps, arguments.rows, folder)
        return
    with tempfile.TemporaryDirectory() as name:
        runs: dict[int, list[tuple[float, float]]] = {devices: [] for devices in PROCESSES}
        for repeat in range(arguments.repeats):
            for devices in PROCESSES:
                place = Path(name) / f"{devices}-{repeat}"
                runs[devices].append(measured(devices, arguments, place))
                sys.stderr.write(f"{devices} processes: {runs[devices][-1]}\n")
        files = [Path(name) / f"{devices}-0" / "weights.safetensors" for devices in PROCESSES]
        gap = difference(*files)
    one, two = (
        [statistics.median(values) for values in zip(*runs[devices], strict=True)]
        for devices in PROCESSES
    )
    print("| | one process | two | ratio |", "|---|---|---|---|", sep="\n")
    for label, before, after in zip(("wall, s", "processor, busiest, s"), one, two, strict=True):
        print(f"| {label} | {before:.2f} | {after:.2f} | {before / after:.2f} |")
    print(f"\nLargest difference of a weight behind the last step: {gap:.0e}")


if __name__ == "__main__":
    main()
