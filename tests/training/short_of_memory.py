"""Fits whose memory gets short while they run; a process of its own, as limits are a process's.

`python short_of_memory.py FOLDER` fits three times: whole, interrupted, and resumed from there.
Memory runs out in the second step of the first two.
"""

import contextlib
import functools
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch.optim import AdamW

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import BestWeights, DomainMetrics, ExactResume, ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.devices import return_freed_memory
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.interruption import Interrupted
from lit_causalmix.training.task import CausalMixTask

ROWS, COLUMNS, SHORT_STEP = 260, 24, 1
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def vm_size() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmSize")) * 2**10


class Short(pl.Callback):
    """Leaves too little memory for one step, and notes the sizes of all steps."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.sizes: list[tuple[int, int]] = []
        self.needed = 0

    def on_train_batch_start(self, trainer: pl.Trainer, task: Any, batch: Any, _: int) -> None:
        if trainer.global_step == SHORT_STEP and self.share:
            cells = (len(batch.x_context) + batch.n_query) * (COLUMNS + 1)
            # Two layers of width 64: some 160 bytes per cell and unit of width.
            room = int(self.share * 160 * 64 * cells)
            resource.setrlimit(resource.RLIMIT_AS, (vm_size() + room, resource.RLIM_INFINITY))

    def on_train_batch_end(self, trainer: pl.Trainer, task: Any, *_: Any) -> None:
        resource.setrlimit(resource.RLIMIT_AS, UNLIMITED)
        largest = task._largest
        self.sizes.append((len(largest.x_context), largest.n_query))


class Stop(pl.Callback):
    """Asks for an end after a number of steps, as Ctrl-C does."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == SHORT_STEP + 2:
            os.kill(os.getpid(), signal.SIGINT)


def fit(folder: Path, *callbacks: pl.Callback, memory: str, ckpt: Path | None = None) -> Any:
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(COLUMNS)])
    frame["y"] = np.where(x[:, 0] + x[:, 1] > 0, "a", "b")
    data = CausalMixDataModule(
        TableSpec(frame, target="y", name="drawn"),
        synthetic_ratio=0.0,
        episodes_per_epoch=2,
        cache_dir=str(folder / "cache"),
    )
    task = CausalMixTask(
        Tab2D(dim=64, n_layers=2), functools.partial(AdamW, lr=1e-3), memory=memory
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, ZeroShotBaseline(), DomainMetrics(), BestWeights(), ExactResume()],
    )
    trainer.fit(task, datamodule=data, ckpt_path=ckpt)
    trainer.save_checkpoint(folder / "end.ckpt")
    return task


def main() -> None:
    folder, memory = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    return_freed_memory()  # what a step leaves is no room for the next one
    whole, cut, on = (Short(share) for share in (0.7, 0.7, 0.0))
    fit(folder / "whole", whole, memory=memory)
    with contextlib.suppress(SystemExit, Interrupted):
        fit(folder / "cut", cut, Stop(), memory=memory)
    fit(folder / "on", on, memory=memory, ckpt=folder / "cut" / "checkpoints" / "last.ckpt")
    sizes = {"whole": whole.sizes, "cut": cut.sizes, "on": on.sizes}
    sys.stdout.write(json.dumps(sizes) + "\n")


if __name__ == "__main__":
    main()
