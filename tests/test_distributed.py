"""Two processes (gloo, CPU) must do what one does: same episodes, no row counted twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

_SCRIPT = """
import json
import sys
from functools import partial

import lightning.pytorch as pl
import torch
from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import BestWeights, DomainMetrics, PredictionWriter, ZeroShotBaseline
from lit_causalmix.training.adapters import LoRA
from lit_causalmix.callbacks import ConfidenceCurriculum, EMAWeights, RatioSchedule
from lit_causalmix.callbacks import WeightInterpolation, ZeroShotEarlyStopping
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.training.schedules import Linear
from lit_causalmix.training.selection import MixedValidation
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training.task import CausalMixTask

torch.set_num_threads(1)
csv, folder, devices, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
robust, lora = "robust" in sys.argv[5:], "lora" in sys.argv[5:]
data = CausalMixDataModule(
    TableSpec(csv, target="target", domain="retail"),
    generator=SCMGenerator(n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear"),
    episodes_per_epoch=4 // devices * devices,
    max_query_rows=9,  # several evaluation episodes, an odd number of them
    cache_dir=f"{folder}/cache",
    predict_source=csv,
    progress=False,
    num_workers=workers,
    val_synthetic_rows=20 if robust else 0,
)
trainer = pl.Trainer(
    accelerator="cpu",
    devices=devices,
    strategy="ddp" if devices > 1 else "auto",
    max_epochs=2,
    accumulate_grad_batches=2 // devices,  # two episodes per optimiser step either way
    default_root_dir=folder,
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    callbacks=[
        ZeroShotBaseline(),
        DomainMetrics(),
        ZeroShotEarlyStopping(),
        PredictionWriter(),
        *([EMAWeights(0.5), RatioSchedule(Linear(1, 0)), ConfidenceCurriculum()] if robust else []),
        BestWeights(),
        *([WeightInterpolation([0.5])] if robust else []),
    ],
)
task = CausalMixTask(
    Tab2D(dim=16, n_layers=1),
    partial(torch.optim.SGD, lr=0.1),
    l2_sp=0.5 if robust else 0.0,
    adapter=LoRA(r=2) if lora else None,
    selection=MixedValidation() if robust else None,
)
trainer.fit(task, datamodule=data)
(scores,) = trainer.test(task, datamodule=data, verbose=False)
trainer.predict(task, datamodule=data, return_predictions=False)
if trainer.is_global_zero:
    with open(f"{folder}/scores.json", "w") as file:
        json.dump(scores, file)
"""


def _run(csv: Path, folder: Path, *options: str, devices: int, workers: int = 0) -> dict[str, Any]:
    folder.mkdir()
    script = folder / "train.py"
    script.write_text(_SCRIPT)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        env.pop(name, None)
    result = subprocess.run(
        [sys.executable, str(script), str(csv), str(folder), str(devices), str(workers), *options],
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    scores: dict[str, Any] = json.loads((folder / "scores.json").read_text())
    return scores


@pytest.mark.timeout(400)
def test_two_ranks_train_test_and_predict_like_one(csv: Path, tmp_path: Path) -> None:
    one = _run(csv, tmp_path / "one", devices=1)
    two = _run(csv, tmp_path / "two", devices=2, workers=1)
    # Summation order differs between the two, the rows do not.
    assert two == pytest.approx(one, abs=2e-4, rel=2e-3)
    assert two["test/real/accuracy"] == pytest.approx(one["test/real/accuracy"], abs=1e-6)
    left = pd.read_csv(tmp_path / "one" / "predictions.csv")
    right = pd.read_csv(tmp_path / "two" / "predictions.csv")
    assert len(right) == len(pd.read_csv(csv))
    assert (left["probability_good"] - right["probability_good"]).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("options", [["robust"], ["robust", "lora"]])
def test_schedules_and_robust_fine_tuning_do_so_too(
    csv: Path, tmp_path: Path, options: list[str]
) -> None:
    if "lora" in options:
        pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")
    one = _run(csv, tmp_path / "one", *options, devices=1)
    two = _run(csv, tmp_path / "two", *options, devices=2, workers=1)
    assert two == pytest.approx(one, abs=2e-4, rel=2e-3)
