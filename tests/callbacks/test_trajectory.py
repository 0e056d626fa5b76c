import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import (
    BestWeights,
    DomainMetrics,
    RunReport,
    ScoreTrajectory,
    ZeroShotBaseline,
)
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def fit(
    frame: pd.DataFrame, folder: Path, *extra: pl.Callback, epochs: int = 4, ckpt: str | None = None
) -> tuple[pl.Trainer, CausalMixTask]:
    task = CausalMixTask(Tab2D(dim=16, n_layers=1), partial(torch.optim.AdamW, lr=1e-3))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[
            ZeroShotBaseline(),
            DomainMetrics(),
            *extra,
            RunReport(show=False),
            BestWeights(),
            ModelCheckpoint(
                folder, "last", enable_version_counter=False, save_on_train_epoch_end=True
            ),
        ],
    )
    data = CausalMixDataModule(
        TableSpec(frame, target="target", name="mixed"), synthetic_ratio=0.0, episodes_per_epoch=3
    )
    trainer.fit(task, datamodule=data, ckpt_path=ckpt)
    return trainer, task


def report(trainer: pl.Trainer, task: CausalMixTask) -> Any:
    trainer.test(task, datamodule=trainer.datamodule, verbose=False)  # type: ignore[attr-defined]
    return json.loads((Path(trainer.default_root_dir) / "report.json").read_text())


def test_it_records_every_checkpoint_and_both_gaps(frame: pd.DataFrame, tmp_path: Path) -> None:
    trainer, task = fit(frame, tmp_path, ScoreTrajectory())
    logged = {name for name in trainer.callback_metrics if name.startswith("test")}
    assert not logged
    content = report(trainer, task)
    points = content["trajectory"]
    assert [p["step"] for p in points] == [0, 3, 6, 9, 12]
    assert set(points[0]["val"].values()) == set(points[0]["test"].values()) == {0.0}
    # The selected checkpoint's test score is the one that the test of the restored weights gives.
    chosen = next(p for p in points if p["step"] == content["best_step"])
    rows = {r["metric"]: r for r in content["rows"] if r["domain"] == "real"}
    for metric, row in rows.items():
        assert chosen["test"][metric] == pytest.approx(row["normalized"]["value"], abs=1e-9)
        gap = content["validation_test_gap"][metric]
        expected = abs(chosen["val"][metric] - chosen["test"][metric])
        assert gap["selection"]["value"] == pytest.approx(expected)
    series = pd.DataFrame({s: [p[s]["log_loss"] for p in points] for s in ("val", "test")})
    spearman = series.corr("spearman").loc["val", "test"]
    assert content["validation_test_gap"]["log_loss"]["rank"]["value"] == pytest.approx(
        1 - spearman
    )


def test_it_steers_nothing(frame: pd.DataFrame, tmp_path: Path) -> None:
    states = []
    for name, extra in (("with", [ScoreTrajectory()]), ("without", [])):
        fit(frame, tmp_path / name, *extra)
        states.append(torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])


def test_a_resumed_fit_has_the_trajectory_of_an_uninterrupted_one(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    whole = report(*fit(frame, tmp_path / "whole", ScoreTrajectory()))
    fit(frame, tmp_path / "part", ScoreTrajectory(), epochs=2)
    last = str(tmp_path / "part" / "last.ckpt")
    resumed = report(*fit(frame, tmp_path / "resumed", ScoreTrajectory(), ckpt=last))
    assert resumed["trajectory"] == whole["trajectory"]
    assert resumed["validation_test_gap"] == whole["validation_test_gap"]


def test_it_needs_scores_of_validation(frame: pd.DataFrame, tmp_path: Path) -> None:
    trainer = pl.Trainer(
        accelerator="cpu", default_root_dir=tmp_path, logger=False, callbacks=[ScoreTrajectory()]
    )
    data = CausalMixDataModule(TableSpec(frame, target="target"), synthetic_ratio=0.0)
    with pytest.raises(ConfigurationError, match="ScoreTrajectory needs the callback Dom"):
        trainer.fit(CausalMixTask(Tab2D(dim=16, n_layers=1)), datamodule=data)


def test_from_the_command_line(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    line += ["--data.table.target=target", "--data.synthetic_ratio=0"]
    assert main([*line, "--trainer.callbacks+=ScoreTrajectory"]) == 0
    (path,) = Path("runs").rglob("report.json")
    assert len(json.loads(path.read_text())["trajectory"]) == 3
    # A checkpoint knows the way up to itself only: a test of it reports none.
    best = path.parent / "best.ckpt"
    assert main(["test", "--config", str(path.parent / "config.yaml"), f"--ckpt_path={best}"]) == 0
    (again,) = set(Path("runs").rglob("report.json")) - {path}
    assert "trajectory" not in json.loads(again.read_text())
