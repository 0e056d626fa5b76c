"""Interpolation: exact ends, the best point of the line, never worse than zero-shot."""

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lit_causalmix.callbacks import BestWeights, WeightInterpolation
from lit_causalmix.callbacks.interpolation import interpolate
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import FixedBudget

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def only(trainer: Any, kind: type) -> Any:
    return next(c for c in trainer.callbacks if isinstance(c, kind))


def load(path: Path | str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def test_the_line_is_straight_and_its_ends_are_exact() -> None:
    start = {"w": torch.tensor([0.1, 2.0]), "steps": torch.tensor(3)}
    end = {"w": torch.tensor([0.7, -2.0]), "steps": torch.tensor(5)}
    assert torch.equal(interpolate(start, end, 0.0)["w"], start["w"])
    assert torch.equal(interpolate(start, end, 1.0)["w"], end["w"])
    assert torch.allclose(interpolate(start, end, 0.25)["w"], torch.tensor([0.25, 1.0]))


def test_the_best_point_of_the_line_is_returned_and_written(fit: Any, tmp_path: Path) -> None:
    fit("plain", lr=2e-2, model={"selection": FixedBudget()})  # the line's other end
    mix = WeightInterpolation([0.25, 0.5, 0.75])
    trainer, task = fit("run", callbacks=[mix], lr=2e-2, model={"selection": FixedBudget()})
    chosen = task.scoreboard.selected
    curve = dict(chosen.line)
    assert list(curve) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert chosen.score == curve[chosen.coefficient] == min(curve.values()) <= curve[0.0]
    assert len(set(curve.values())) == 5
    start = task._start
    end = load(tmp_path / "plain" / "best.ckpt")
    expected = interpolate({f"backbone.{k}": v for k, v in start.items()}, end, chosen.coefficient)
    written = load(only(trainer, BestWeights).best_model_path)
    for name, value in expected.items():
        assert torch.equal(value, written[name]), name
        assert torch.equal(value, task.state_dict()[name]), name
    (scores,) = trainer.validate(task, datamodule=trainer.datamodule, verbose=False)
    assert scores["val/loss"] == pytest.approx(chosen.score, rel=1e-6)


def test_weights_that_only_get_worse_leave_zero_shot(fit: Any) -> None:
    mix = WeightInterpolation()
    _, task = fit("run", after=[mix], lr=3.0)
    assert task.scoreboard.selected.coefficient == 0.0
    assert task.scoreboard.selected.step == 0
    start = task._start
    assert all(torch.equal(v, start[k]) for k, v in task.backbone.state_dict().items())


def test_wrong_coefficients_and_a_fit_without_selection_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"must lie in \(0, 1\), got \[0\.5, 1\.2\]"):
        WeightInterpolation([0.5, 1.2])
    trainer = pl.Trainer(accelerator="cpu", logger=False, callbacks=[WeightInterpolation()])
    with pytest.raises(ConfigurationError, match="WeightInterpolation needs the callback BestW"):
        trainer.callbacks[0].check_run(trainer)


def test_l2_sp_average_and_interpolation_run_together_on_the_embedded_model(
    csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    options = [f"--data.table.source={csv}", "--data.table.target=target"]
    options += ["--data.cache_dir=cache", "--model.backbone=Nano"]
    for name in ("l2-sp", "ema", "interpolation"):
        options += ["--config", f"finetune/{name}"]
    assert main(["fit", "--config", str(TINY), *options]) == 0
    assert "Best weights (" in capsys.readouterr().out
    run = Path("runs/fit/version_0")
    report = json.loads((run / "report.json").read_text())
    curve = dict(map(tuple, report["interpolation"]["curve"]))
    assert curve[report["interpolation"]["coefficient"]] == min(curve.values())
    best = torch.load(run / "best.ckpt", weights_only=True)
    assert "ema_weights" not in best
    again = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "best.ckpt")]
    assert main(["test", *again]) == 0
    tested = json.loads((Path("runs/fit/version_1") / "report.json").read_text())
    assert [r["fine_tuned"] for r in tested["rows"]] == [r["fine_tuned"] for r in report["rows"]]
    assert main(["fit", "--config", str(TINY), *options, "--config=stopping/fixed-budget"]) == 0
    told = capsys.readouterr().out
    assert "Interpolated weights (" in told
    assert "Last weights" not in told
    page = max(Path("runs/fit").iterdir()).joinpath("report.html").read_text()
    assert "Of the way from zero-shot to the fine-tuned weights" in page
    assert "whatever their score" not in page
