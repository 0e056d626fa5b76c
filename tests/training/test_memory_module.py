"""A fit that memory has no room for is refused or cut before it begins, and survives a shortage."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import ManyTablesDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, MemoryLimitError
from lit_causalmix.estimators import CausalMixClassifier
from lit_causalmix.tables import TableSpec
from lit_causalmix.training import memory_module
from lit_causalmix.training.memory import Forecast, held_bytes, state_shares
from lit_causalmix.training.room import Room
from lit_causalmix.training.task import CausalMixTask

Fit = Callable[..., tuple[pl.Trainer, Any]]
TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
FULL = (77, 19)
"""Context and query rows of a training episode of the shared table."""


class Sizes(pl.Callback):
    """Context and query rows of the steps, as they were taken."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, task: Any, *_: Any) -> None:
        self.seen.append((len(task._largest.x_context), task._largest.n_query))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Leaves so many MiB on the device."""

    def leave(mib: float) -> None:
        monkeypatch.setattr(memory_module, "available_bytes", lambda _: round(mib * 2**20))

    return leave


def needed() -> float:
    """MiB that a training step of the shared table takes."""
    backbone = Tab2D(dim=16, n_layers=4)
    states = state_shares(backbone, torch.optim.AdamW)
    held = held_bytes(backbone, torch.device("cpu"), states)
    told = Forecast(backbone, held).bytes(StepShape(*FULL, columns=4, n_classes=2))
    return (told or 0) / 2**20


def deep() -> CausalMixTask:
    """A task whose training steps take more than its validations."""
    return CausalMixTask(Tab2D(dim=16, n_layers=4), memory="fit")


def test_by_default_it_is_refused_before_anything_slow(
    fit: Fit, short: Callable[[float], None], tmp_path: Path
) -> None:
    short(1.1)
    with pytest.raises(MemoryLimitError, match=r"this machine has 1 MiB available. What would fit"):
        fit("run", data={"synthetic_ratio": 0.5})
    assert not (tmp_path / "cache").exists()  # no generator was fitted


def test_the_command_line_says_it_in_one_line(
    csv: Path,
    short: Callable[[float], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short(1.1)
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    assert main([*line, "--data.table.target=target"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("lit-causalmix: error: a training step of ")
    assert "(forecast)" in said


def test_ignored_it_is_tried_as_it_is(fit: Fit, short: Callable[[float], None]) -> None:
    short(0.001)
    sizes = Sizes()
    _, task = fit("run", callbacks=[sizes], model={"memory": "ignore"}, epochs=1)
    assert task.room == Room()
    assert set(sizes.seen) == {FULL}


def test_cut_to_fit_it_says_so_and_a_resumed_fit_stays_so(
    fit: Fit,
    short: Callable[[float], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nearly = needed() - 0.01
    short(nearly)
    whole, on = Sizes(), Sizes()
    _, task = fit("whole", callbacks=[whole], task=deep())
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("memory: ")]
    assert said[0].startswith("memory: a training step of 77 context and 19 query rows would take")
    assert len(said) == len(set(said)), "once, though asked in prepare_data and in setup"
    assert set(whole.seen) == {(39, 19)}
    assert task.room.cells == (39 + 19) * 5
    assert task.room.context_rows is None, "predictions take less than training"

    short(1e6)
    fit("first", task=deep(), epochs=1)  # on a machine where all fits
    checkpoint = torch.load(tmp_path / "first" / "last.ckpt", weights_only=True)
    assert "room" not in checkpoint
    short(nearly)
    fit("cut", task=deep(), epochs=1)
    short(1e6)
    fit("on", callbacks=[on], task=deep(), ckpt=tmp_path / "cut" / "last.ckpt")
    assert set(on.seen) == {(39, 19)}
    ends = [torch.load(tmp_path / n / "last.ckpt", weights_only=True) for n in ("whole", "on")]
    assert all(torch.equal(v, ends[1]["state_dict"][k]) for k, v in ends[0]["state_dict"].items())
    assert ends[0]["room"] == ends[1]["room"]


def test_scored_rows_have_a_context_that_fits(fit: Fit, short: Callable[[float], None]) -> None:
    short(1e6)
    task = CausalMixTask(Tab2D(dim=16, n_layers=1), memory="fit")
    task.room = Room(context_rows=40)
    assert task.scored_context_limit() == 40
    trainer, task = fit("run", task=task, epochs=1)
    assert task.room == Room(), "a new fit has what there is"
    task.room = Room(context_rows=40)
    stream = trainer.datamodule.evaluation_stream("val")  # type: ignore[attr-defined]
    assert len(stream[0].x_context) == 40


def test_several_devices_and_collected_gradients_are_not_cut(fit: Fit) -> None:
    with pytest.raises(ConfigurationError, match="accumulate_grad_batches is 2"):
        fit("run", model={"memory": "fit"}, accumulate_grad_batches=2)
    ranks = type("Trainer", (), {"world_size": 2, "accumulate_grad_batches": 1})()
    with pytest.raises(ConfigurationError, match="the others wait for its gradients"):
        memory_module._check_halving(ranks)


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="memory must be refuse, fit or ignore, got 'cut'"):
        CausalMixTask(Tab2D(dim=16, n_layers=1), memory="cut")  # type: ignore[arg-type]


def test_the_largest_of_several_tables_is_named(
    short: Callable[[float], None], tmp_path: Path
) -> None:
    short(4.0)
    data = ManyTablesDataModule(
        [TableSpec("sklearn:wine"), TableSpec("sklearn:breast_cancer")], synthetic_ratio=0.0
    )
    trainer = pl.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    with pytest.raises(MemoryLimitError, match="a training step of breast_cancer of 273 context"):
        trainer.fit(CausalMixTask(Tab2D(dim=16, n_layers=1)), datamodule=data)


class Small(Tab2D):
    """Stands for a device with room for ten query rows."""

    def forward(self, episode: Episode) -> torch.Tensor:
        if episode.n_query > 10:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(episode)


def test_predictions_go_on_with_fewer_query_rows_at_once() -> None:
    x, y = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 2
    episode = Episode.of_rows(x, y, 32, 2)
    with torch.no_grad():
        whole = CausalMixTask(Tab2D(dim=16, n_layers=2)).eval()(episode)
        task = CausalMixTask(Small(dim=16, n_layers=2), memory="fit").eval()
        assert torch.allclose(task(episode), whole, atol=1e-6)
        assert task.room == Room(query_rows=9)
        assert torch.allclose(task(episode), whole, atol=1e-6)
        with pytest.raises(torch.OutOfMemoryError):
            CausalMixTask(Small(dim=16, n_layers=2), memory="ignore").eval()(episode)


@pytest.mark.parametrize("folds", [1, 2])
def test_an_estimator_is_told_the_same(
    frame: pd.DataFrame, short: Callable[[float], None], folds: int
) -> None:
    short(1.1)
    backbone = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1}}
    model = CausalMixClassifier("default", backbone=backbone, max_steps=1, folds=folds)
    with pytest.raises(MemoryLimitError, match=r"\(forecast\), this machine has 1 MiB"):
        model.fit(frame.drop(columns="target"), frame["target"])


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.slow
def test_memory_runs_out_in_a_step_and_an_interrupted_fit_has_the_same_bits(
    tmp_path: Path,
) -> None:
    script = Path(__file__).with_name("short_of_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "fit"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    half = [63, 31]
    sizes = json.loads(done.stdout.splitlines()[-1])
    cut = [[125, 31], half, half]
    assert sizes == {"whole": [*cut, half], "cut": cut, "on": [half]}
    said = "memory ran out in step 1 of 125 context and 31 query rows: from here on training "
    assert done.stderr.count(said) == 2
    whole, on = (
        torch.load(tmp_path / name / "end.ckpt", weights_only=True) for name in ("whole", "on")
    )
    assert whole["room"] == on["room"]
    assert whole["scoreboard"]["history"] == on["scoreboard"]["history"]
    for one, two in zip(_tensors(whole), _tensors(on), strict=True):
        assert torch.equal(one, two)
    best = whole["scoreboard"]["selected"]["step"]
    assert best > 0 or len(_tensors(whole)) > len(whole["state_dict"])  # states of the optimiser


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.slow
def test_without_leave_to_halve_the_end_is_one_clear_error(tmp_path: Path) -> None:
    script = Path(__file__).with_name("short_of_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "refuse"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "MemoryLimitError: memory ran out in step 1: lower data.episode_rows" in done.stderr


def _tensors(checkpoint: dict[str, Any]) -> list[torch.Tensor]:
    states = checkpoint["optimizer_states"][0]["state"]
    kept = [v for state in states.values() for v in state.values()]
    return [*checkpoint["state_dict"].values(), *kept]
