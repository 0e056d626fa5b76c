"""Perturbed rows and trajectories over two processes (gloo, CPU) are those of one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = """
import json
import sys
from functools import partial

import lightning.pytorch as pl
import torch
from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import FGSM, DomainMetrics, ScoreTrajectory, ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

torch.set_num_threads(1)
csv, folder, devices = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = CausalMixDataModule(
    TableSpec(csv, target="target"),
    synthetic_ratio=0.0,
    episodes_per_epoch=2,
    max_query_rows=9,  # several evaluation episodes, an odd number of them
)
trajectory = ScoreTrajectory()
trainer = pl.Trainer(
    accelerator="cpu",
    devices=devices,
    strategy="ddp" if devices > 1 else "auto",
    max_epochs=2,
    accumulate_grad_batches=2 // devices,  # two episodes per optimiser step either way
    default_root_dir=folder,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    callbacks=[ZeroShotBaseline(), DomainMetrics(), FGSM((0.2,)), trajectory],
)
task = CausalMixTask(Tab2D(dim=16, n_layers=1), partial(torch.optim.SGD, lr=0.1))
trainer.fit(task, datamodule=data)
(scores,) = trainer.test(task, datamodule=data, verbose=False)
if trainer.is_global_zero:
    points = trajectory.state_dict()["points"]
    scores |= {f"step {point['step']}": point["test"]["log_loss"] for point in points}
    with open(f"{folder}/scores.json", "w") as file:
        json.dump(scores, file)
"""


def run(csv: Path, folder: Path, devices: int) -> dict[str, Any]:
    folder.mkdir()
    script = folder / "train.py"
    script.write_text(_SCRIPT)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        env.pop(name, None)
    result = subprocess.run(
        [sys.executable, str(script), str(csv), str(folder), str(devices)],
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    scores: dict[str, Any] = json.loads((folder / "scores.json").read_text())
    return scores


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_ranks_score_like_one(csv: Path, tmp_path: Path) -> None:
    one, two = (run(csv, tmp_path / str(devices), devices) for devices in (1, 2))
    assert {"test/perturbed_0.2/log_loss_normalized", "step 0", "step 2"} <= set(one)
    # Summation order differs between the two, the rows do not.
    assert two == pytest.approx(one, abs=1e-3, rel=2e-3)
