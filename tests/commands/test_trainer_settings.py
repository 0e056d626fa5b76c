"""Lightning's settings of a fit do here what they say: time, precision, accumulation, clipping."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import Tab2D
from lit_causalmix.commands.main import main

CONF = Path(__file__).parents[1] / "conf"
SGD = [
    "--model.optimizer=torch.optim.SGD",
    "--model.optimizer.weight_decay=0",  # or default.yaml's would live on
    "--trainer.max_epochs=1",
]


@pytest.fixture
def line(csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A fit without end to the table, to which options are added."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    configs = [f"--config={CONF / name}" for name in ("tiny.yaml", "endless.yaml")]
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    return ["fit", *configs, *table, "--data.synthetic_ratio=0"]


def content(number: int) -> dict[str, Any]:
    path = Path(f"runs/fit/version_{number}/checkpoints/last.ckpt")
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def moved(number: int) -> Tensor:
    """How far the weights of a run went from those that it began with."""
    start = Tab2D(dim=16, n_layers=1).state_dict()
    state = content(number)["state_dict"]
    assert {name.removeprefix("backbone.") for name in state} == set(start)
    return torch.cat([(state[f"backbone.{name}"] - w).flatten() for name, w in start.items()])


def test_accumulated_gradients_are_the_mean_of_those_of_their_episodes(line: list[str]) -> None:
    # Steps so small that the second gradient is taken at the first weights, up to rounding.
    options = [*SGD, "--model.optimizer.lr=1e-3", "--trainer.gradient_clip_val=null"]
    assert main([*line, *options]) == 0
    assert main([*line, *options, "--trainer.accumulate_grad_batches=2"]) == 0
    assert [content(number)["global_step"] for number in (0, 1)] == [2, 1]
    single, accumulated = moved(0), moved(1)
    assert accumulated.norm() > 0
    assert (single - 2 * accumulated).norm() < 0.02 * single.norm()


def test_clipping_bounds_the_norm_of_a_step(line: list[str]) -> None:
    options = [*SGD, "--model.optimizer.lr=1", "--data.episodes_per_epoch=1"]
    assert main([*line, *options, "--trainer.gradient_clip_val=1e-3"]) == 0
    assert main([*line, *options, "--trainer.gradient_clip_val=null"]) == 0
    assert moved(0).norm() == pytest.approx(1e-3, rel=1e-3)
    assert moved(1).norm() > 2e-3


def test_bf16_trains_weights_in_float32_to_nearly_the_same_scores(line: list[str]) -> None:
    options = ["--trainer.max_epochs=2"]
    assert main([*line, *options]) == 0
    assert main([*line, *options, "--trainer.precision=bf16-mixed"]) == 0
    exact, rounded = content(0)["state_dict"], content(1)["state_dict"]
    assert all(weight.dtype == exact[name].dtype for name, weight in rounded.items())
    assert any(not torch.equal(weight, exact[name]) for name, weight in rounded.items())
    reports = [Path(f"runs/fit/version_{number}/report.json") for number in (0, 1)]
    losses = [
        row["fine_tuned"]["value"]
        for report in reports
        for row in json.loads(report.read_text())["rows"]
        if (row["stage"], row["domain"], row["metric"]) == ("test", "real", "log_loss")
    ]
    assert losses[1] == pytest.approx(losses[0], abs=0.02)
    assert losses[1] != losses[0]


def test_max_time_ends_a_fit_with_the_best_so_far(line: list[str]) -> None:
    assert main([*line, "--trainer.max_time=00:00:00:02"]) == 0
    report = json.loads(Path("runs/fit/version_0/report.json").read_text())
    assert report["selected_weights"]
    losses = {entry["step"]: entry["log_loss"] for entry in report["history"]}
    assert len(losses) > 1
    assert report["best_step"] == min(losses, key=lambda step: losses[step])
    assert Path("runs/fit/version_0/model/model.json").is_file()


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_weights_of_another_precision_are_refused(
    line: list[str], precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*line, "--trainer.max_epochs=1", f"--trainer.precision={precision}"]) == 2
    said = capsys.readouterr().err
    assert f"trainer.precision is 32-true, bf16-mixed or 16-mixed, got {precision}" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trainer.limit_val_batches=2"], "trainer.limit_val_batches must be 1.0 (all of them)"),
        (["--trainer.limit_test_batches=.5"], "or 0 (no such scores), got 0.5"),
        (["--trainer.limit_val_batches=0"], "which are never scored: trainer.limit_val_batches"),
        (["--trainer.check_val_every_n_epoch=5"], "which are never scored: the fit ends after 4"),
        (["--trainer.max_steps=1"], "after 1 training batches, and their first time is after 2"),
        (
            ["--trainer.val_check_interval=9", "--trainer.check_val_every_n_epoch=null"],
            "is after 9",
        ),
        (["--trainer.overfit_batches=1"], "trainer.overfit_batches would score other rows"),
        (
            ["--trainer.devices=2", "--trainer.strategy=ddp_spawn"],
            "got DDPStrategy with 2 devices: choose ddp",
        ),
    ],
)
def test_a_trainer_that_does_not_score_all_rows_is_refused_before_the_fit(
    line: list[str], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*line, "--trainer.max_epochs=2", *options]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "Traceback" not in told.err
    assert not list(Path().rglob("*.ckpt"))


def test_without_rows_to_test_or_a_selection_limits_of_none_are_taken(line: list[str]) -> None:
    options = ["--config=stopping/fixed-budget", "--trainer.limit_val_batches=0"]
    assert main([*line, *options, "--trainer.limit_test_batches=0", "--trainer.max_epochs=1"]) == 0
    assert content(0)["global_step"] == 2
