"""A finished fit of two processes (gloo, CPU) that is resumed returns the selected weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import json
import sys
from functools import partial

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import BestWeights, DomainMetrics, WeightInterpolation
from lit_causalmix.callbacks import ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

torch.set_num_threads(1)
csv, folder = sys.argv[1:3]


def outcome(name, ckpt=None):
    data = CausalMixDataModule(
        TableSpec(csv, target="target"), synthetic_ratio=0.0, episodes_per_epoch=4
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=2,
        default_root_dir=f"{folder}/{name}",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[
            ModelCheckpoint(f"{folder}/{name}", "last", save_on_train_epoch_end=True),
            WeightInterpolation([0.5]),
            BestWeights(),
            DomainMetrics(),
            ZeroShotBaseline(),
        ],
    )
    task = CausalMixTask(Tab2D(dim=16, n_layers=1), partial(torch.optim.SGD, lr=50.0))
    trainer.fit(task, datamodule=data, ckpt_path=ckpt)
    (scores,) = trainer.test(task, datamodule=data, verbose=False)
    return trainer, {"scores": scores, "selected": task.scoreboard.state()["selected"]}


_, first = outcome("first")
trainer, again = outcome("again", f"{folder}/first/last.ckpt")
if trainer.is_global_zero:
    with open(f"{folder}/found.json", "w") as file:
        json.dump([first, again], file)
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_finished_fit_of_two_ranks_comes_out_as_before(csv: Path, tmp_path: Path) -> None:
    script = tmp_path / "resume.py"
    script.write_text(_SCRIPT)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        env.pop(name, None)
    command = [sys.executable, str(script), str(csv), str(tmp_path)]
    result = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    first, again = json.loads((tmp_path / "found.json").read_text())
    assert first == again
    assert first["selected"]["step"] == 0  # such a rate ruins the model
    assert all((tmp_path / name / "best.ckpt").is_file() for name in ("first", "again"))
