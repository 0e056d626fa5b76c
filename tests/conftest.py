"""Small tables and models that many tests share."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from lit_causalmix.training.task import CausalMixTask

# A shell starts background jobs with SIGINT ignored, which children inherit: tests interrupt as in
# a terminal, wherever they run.
signal.signal(signal.SIGINT, signal.default_int_handler)

# One thread: tests run beside each other, and small matrices gain nothing from more.
torch.set_num_threads(1)


def mixed_frame(n: int = 160, *, seed: int = 0, regression: bool = False) -> pd.DataFrame:
    """Two numerical and two categorical columns, some gaps, and a target that depends on them."""
    generator = np.random.default_rng(seed)
    age = generator.integers(18, 80, n).astype(float)
    colour = generator.choice(["red", "green", "blue"], n)
    member = generator.choice(["yes", "no"], n)
    income = 100.0 * age + 900.0 * (colour == "red") + generator.normal(0, 400, n)
    signal = (income - income.mean()) / income.std() + (member == "yes")
    noisy = signal + generator.normal(0, 0.5, n)
    target = noisy * 3 + 10 if regression else np.where(noisy > 0.5, "good", "bad")
    frame = pd.DataFrame(
        {"age": age, "income": income, "colour": colour, "member": member, "target": target}
    )
    frame.loc[generator.choice(n, n // 20, replace=False), "income"] = np.nan
    return frame


@pytest.fixture
def frame() -> pd.DataFrame:
    """A binary classification table."""
    return mixed_frame()


@pytest.fixture
def csv(tmp_path: Path, frame: pd.DataFrame) -> Path:
    """The same table as a CSV file."""
    path = tmp_path / "mixed.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the first 30 real tables; skips the test where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for folder in os.environ.get("LIT_CAUSALMIX_DATA", str(beside)).split(os.pathsep):
        if (Path(folder) / "credit_g.csv").is_file():
            return Path(folder)
    pytest.skip("the real benchmark tables are absent: set LIT_CAUSALMIX_DATA to their folder")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script of `benchmarks/` by its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


FrameMaker = Callable[..., pd.DataFrame]


@pytest.fixture
def make_frame() -> FrameMaker:
    return mixed_frame


@pytest.fixture
def bare_trainer(tmp_path: Path) -> Callable[..., pl.Trainer]:
    """Makes a trainer that shows and keeps nothing; settings are Lightning's."""
    import lightning.pytorch as pl

    def make(**settings: Any) -> pl.Trainer:
        return pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            **settings,
        )

    return make


@pytest.fixture
def fit(frame: pd.DataFrame, tmp_path: Path) -> Callable[..., Any]:
    """Fits a small random model; returns (trainer, task). `last.ckpt` stands in `tmp_path / name`.

    `callbacks` come before the best weights, `after` behind them; other settings are the trainer's.
    """
    from functools import partial

    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import ModelCheckpoint

    from lit_causalmix.backbones import Tab2D
    from lit_causalmix.callbacks import (
        BestWeights,
        DomainMetrics,
        RunReport,
        ZeroShotBaseline,
        ZeroShotEarlyStopping,
    )
    from lit_causalmix.datamodules import CausalMixDataModule
    from lit_causalmix.generators.scm import SCMGenerator
    from lit_causalmix.tables import TableSpec
    from lit_causalmix.training.task import CausalMixTask

    def run(
        name: str,
        *,
        callbacks: Sequence[pl.Callback] = (),
        after: Sequence[pl.Callback] = (),
        task: CausalMixTask | None = None,
        model: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        lr: float = 1e-2,
        epochs: int = 2,
        patience: int = 50,
        ckpt: Path | None = None,
        **settings: Any,
    ) -> tuple[pl.Trainer, CausalMixTask]:
        task = task or CausalMixTask(
            Tab2D(dim=16, n_layers=1), partial(torch.optim.AdamW, lr=lr), **model or {}
        )
        module = CausalMixDataModule(
            TableSpec(frame, target="target", name="mixed", domain="retail"),
            cache_dir=str(tmp_path / "cache"),
            **{
                "generator": SCMGenerator(
                    n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear"
                ),
                "synthetic_ratio": 0.0,
                "episodes_per_epoch": 3,
                "progress": False,
            }
            | (data or {}),
        )
        folder = tmp_path / name
        trainer = pl.Trainer(
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[
                ZeroShotBaseline(),
                DomainMetrics(),
                ZeroShotEarlyStopping(patience=patience),
                RunReport(show=False),
                *callbacks,
                BestWeights(),
                *after,
                ModelCheckpoint(
                    folder, "last", enable_version_counter=False, save_on_train_epoch_end=True
                ),
                ModelCheckpoint(folder, "step{step}", every_n_train_steps=4, save_top_k=-1),
            ],
            **{"max_epochs": epochs, "enable_progress_bar": False} | settings,
        )
        trainer.fit(task, datamodule=module, ckpt_path=ckpt)
        return trainer, task

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a disk of 64 KiB of its own, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the rights to do so")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    """The folder of a disk that takes nothing."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk
