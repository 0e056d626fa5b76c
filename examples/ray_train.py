"""One fit on the workers of a Ray cluster, by Ray Train.

    python examples/ray_train.py 2 --config quickstart
    python examples/ray_train.py 4 --gpu --config quickstart

The first argument is the number of workers; what follows belongs to `lit-causalmix fit`. Every
worker is a rank of one `ddp` fit. On several machines the present folder has to be one that all of
them share, and `LIT_CAUSALMIX_CACHE` another. Needs `pip install lit-causalmix[ray]`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

RANK = (
    '--trainer.strategy={"class_path": "ray.train.lightning.RayDDPStrategy"}',
    "--trainer.plugins+=ray.train.lightning.RayLightningEnvironment",
    "--trainer.devices=auto",
)
"""Trainer settings by which Lightning takes the processes that Ray has started."""


def worker(settings: dict[str, Any]) -> None:
    """Takes part in the fit as the rank that Ray made of this process."""
    from lit_causalmix.commands.main import main

    os.chdir(settings["folder"])
    status = main(["fit", *settings["arguments"], *RANK])
    if status:
        raise RuntimeError(f"lit-causalmix fit ended with status {status}")


def run(arguments: list[str]) -> None:
    """Fits on as many workers as the first argument says."""
    workers, *rest = arguments
    gpu = "--gpu" in rest
    folder = Path.cwd()
    TorchTrainer(
        worker,
        train_loop_config={
            "folder": str(folder),
            "arguments": [argument for argument in rest if argument != "--gpu"],
        },
        scaling_config=ScalingConfig(num_workers=int(workers), use_gpu=gpu),
        run_config=RunConfig(name="ray-train", storage_path=str(folder / "runs")),
    ).fit()


if __name__ == "__main__":
    run(sys.argv[1:])
