"""What is tested, saved and reported are the selected weights, whichever hooks ran."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import (
    BestWeights,
    EMAWeights,
    PretrainedFolder,
    ScoreTrajectory,
    WeightInterpolation,
)
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import FixedBudget

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
Weights = dict[str, torch.Tensor]


def state(path: Path) -> Weights:
    weights: Weights = torch.load(path, weights_only=True)["state_dict"]
    return weights


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def report(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "report.json").read_text())
    return content


def flip(path: Path) -> None:
    """Flips one bit of a weight in a checkpoint, and leaves everything else as it is."""
    weight = next(v for v in state(path).values() if v.is_floating_point() and v.std() > 0)
    content, raw = path.read_bytes(), weight.contiguous().numpy().tobytes()
    assert content.count(raw) == 1
    at = content.index(raw) + 4
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@pytest.fixture
def command(csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command on a fit that zero-shot survives: a rate of 3 ruins every other candidate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])

    def run(name: str, *options: str, rate: float = 3.0) -> int:
        table = [f"--data.table.source={csv}", "--data.table.target=target"]
        fixed = [f"--data.cache_dir={tmp_path / 'cache'}", "--data.synthetic_ratio=0"]
        fixed.append(f"--model.optimizer.lr={rate}")
        return main([name, "--config", str(TINY), *table, *fixed, *options])

    return run


RUN = Path("runs/fit/version_0")
LAST = RUN / "checkpoints" / "last.ckpt"


def test_a_finished_fit_that_is_resumed_tests_the_selected_weights(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("fit") == 0
    first = capsys.readouterr().out
    assert command("fit", "--ckpt_path", str(LAST)) == 0
    second = capsys.readouterr().out
    runs = [RUN, RUN.with_name("version_1")]
    reports = [report(run) for run in runs]
    assert reports[0] == reports[1]
    assert reports[0]["selected_weights"] is True
    assert all(row["fine_tuned"] == row["zero_shot"] for row in reports[1]["rows"])
    assert "Best weights (zero-shot" in first
    assert first.replace("version_0", "version_1") == second
    assert same(*(state(run / "best.ckpt") for run in runs))
    assert not same(state(LAST), state(RUN / "best.ckpt"))


def test_a_run_that_was_moved_goes_on_with_its_selection(
    command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("fit") == 0
    before = report(RUN)
    shutil.move(RUN, tmp_path / "moved")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    last = tmp_path / "moved" / "checkpoints" / "last.ckpt"
    for epochs in (2, 3):  # nothing left to train, and one more epoch
        assert command("fit", "--ckpt_path", str(last), f"--trainer.max_epochs={epochs}") == 0
        found = report(elsewhere / f"runs/fit/version_{epochs - 2}")
        assert found["rows"] == before["rows"]
        assert (found["best_step"], found["best_checkpoint"]) == (0, "best.ckpt")
        assert found["history"][:3] == before["history"]


def test_a_resumed_fit_needs_no_other_file_than_its_checkpoint(
    command: Callable[..., int], tmp_path: Path
) -> None:
    assert command("fit", rate=0.02) == 0
    before = report(RUN)
    assert before["best_step"] > 0
    shutil.copy(LAST, tmp_path / "alone.ckpt")
    shutil.rmtree("runs")
    assert command("fit", "--ckpt_path", "alone.ckpt", rate=0.02) == 0
    assert report(RUN) == before


@pytest.mark.parametrize("stops", [False, True])
def test_a_fit_that_goes_on_with_other_validation_rows_selects_from_zero_shot_on(
    command: Callable[..., int], caplog: pytest.LogCaptureFixture, stops: bool
) -> None:
    rows = ["--data.val_synthetic_rows=40", "--model.selection=SyntheticValidation"]
    jitter, shuffled = (f"--data.generator={n}Generator" for n in ("Jitter", "IndependentColumns"))
    patience = ["--trainer.callbacks+=ZeroShotEarlyStopping", "--trainer.callbacks.patience=9"]
    rows += patience if stops else []
    assert command("fit", *rows, jitter, rate=0.02) == 0
    before = report(RUN)
    assert before["best_step"] > 0
    more = ["--ckpt_path", str(LAST), "--trainer.max_epochs=3"]
    assert command("fit", *rows, shuffled, *more, rate=0.02) == 0
    assert "rows that select are others than the checkpoint's" in caplog.text
    after = report(RUN.with_name("version_1"))
    assert [entry["step"] for entry in after["history"]] == [0, 6]
    assert after["best_step"] in (0, 6)
    content = torch.load(RUN.with_name("version_1") / "best.ckpt", weights_only=True)
    selected = content["scoreboard"]["selected"]
    zero_shot = content["scoreboard"]["history"][0]["scores"]["synthetic/log_loss"][0]
    assert selected["score"] <= zero_shot


def test_a_flipped_bit_of_the_selected_weights_is_noticed(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("fit") == 0
    best, whole = RUN / "best.ckpt", report(RUN)
    flip(best)
    capsys.readouterr()
    for name in ("test", "validate"):
        assert command(name, "--ckpt_path", str(best)) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"ckpt_path '{best}'" in line
        assert "damaged" in line
    # The fit goes on from its own copy, and writes the best weights anew.
    assert command("fit", "--ckpt_path", str(LAST)) == 0
    again = RUN.with_name("version_1")
    assert report(again) == whole
    assert command("test", "--ckpt_path", str(again / "best.ckpt")) == 0
    flip(LAST)
    assert command("fit", "--ckpt_path", str(LAST)) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_test_of_other_weights_says_so(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("fit") == 0
    capsys.readouterr()
    assert command("test", "--ckpt_path", str(LAST)) == 0
    assert "Other weights than the best ones (zero-shot, validation log_loss" in (
        printed := capsys.readouterr().out
    )
    assert f"): {LAST}" in printed
    found = report(RUN.with_name("version_1"))
    assert found["selected_weights"] is False
    assert any(row["fine_tuned"] != row["zero_shot"] for row in found["rows"])


def test_a_damaged_best_file_is_written_again_when_the_fit_ends(
    fit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit("run", lr=3.0)
    flip(tmp_path / "run" / "best.ckpt")
    _, task = fit("run", lr=3.0, ckpt=tmp_path / "run" / "last.ckpt")
    assert "best.ckpt is damaged: the selected weights are written again" in caplog.text
    assert same(state(tmp_path / "run" / "best.ckpt"), task.state_dict())
    assert same(task._start, task.backbone.state_dict())


class Break(pl.Callback):
    """Breaks a fit off after some steps, as an error of the machine would."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 4:
            raise RuntimeError("no memory")


@pytest.mark.parametrize("then", ["test", "validate", "predict"])
def test_what_follows_a_broken_fit_works_with_the_selected_weights(
    fit: Any, frame: Any, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = {}
    original = pl.Trainer.fit

    def keep(self: pl.Trainer, model: Any, **settings: Any) -> None:
        kept.update(trainer=self, task=model, data=settings["datamodule"])
        original(self, model, **settings)

    monkeypatch.setattr(pl.Trainer, "fit", keep)
    with pytest.raises(RuntimeError, match="no memory"):
        fit("run", lr=3.0, callbacks=[Break()])
    task, data = kept["task"], kept["data"]
    assert not same(task._start, task.backbone.state_dict())
    data.predict_source = frame
    arguments = {} if then == "predict" else {"verbose": False}
    getattr(kept["trainer"], then)(task, datamodule=data, **arguments)
    assert task.scoreboard.selected.step == 0
    assert same(task._start, task.backbone.state_dict())


def test_weights_that_are_not_the_selected_ones_are_never_returned(fit: Any) -> None:
    trainer, task = fit("run")
    with torch.no_grad():
        next(iter(task._selected.values())).add_(1e-3)  # whoever keeps a reference to them
    task._unsettled = True
    with pytest.raises(ConfigurationError, match="are not those that were selected"):
        trainer.test(task, datamodule=trainer.datamodule, verbose=False)


@pytest.mark.parametrize("extra", [WeightInterpolation([0.3, 0.6]), None])
def test_a_finished_fit_without_validation_at_its_end_comes_out_as_before(
    fit: Any, tmp_path: Path, extra: pl.Callback | None
) -> None:
    """The last weights of a fixed budget, and interpolated ones, are selected at the very end."""
    settings = {"model": {"selection": FixedBudget()}, "epochs": 3, "check_val_every_n_epoch": 2}
    settings["callbacks"] = [extra] if extra else []
    _, task = fit("run", **settings)
    _, again = fit("again", ckpt=tmp_path / "run" / "last.ckpt", **settings)
    assert str(again.scoreboard.selected) == str(task.scoreboard.selected)
    assert again.scoreboard.selected.step in ((0, 9) if extra else (9,))
    assert same(again.state_dict(), task.state_dict())
    assert same(state(tmp_path / "again" / "best.ckpt"), task.state_dict())


def test_a_fit_that_was_stopped_early_stays_so(fit: Any, tmp_path: Path) -> None:
    trainer, task = fit("run", lr=3.0, epochs=9, patience=2)
    assert trainer.global_step == 6
    again, other = fit("again", lr=3.0, epochs=9, patience=2, ckpt=tmp_path / "run" / "last.ckpt")
    assert again.global_step == 6
    assert other.scoreboard.selected == task.scoreboard.selected
    longer, _ = fit("more", lr=3.0, epochs=9, patience=3, ckpt=tmp_path / "run" / "last.ckpt")
    assert longer.global_step > 6


def test_the_folder_of_a_fine_tuned_model_holds_the_selected_weights(
    fit: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "weights"
    _, task = fit("run", lr=3.0, callbacks=[PretrainedFolder()])
    assert task.scoreboard.selected.step == 0
    assert same(Tab2D.from_pretrained(folder).state_dict(), task.backbone.state_dict())


def test_callbacks_of_a_broken_fit_serve_a_new_one(fit: Any, tmp_path: Path) -> None:
    used = [EMAWeights(0.5), ScoreTrajectory(), PretrainedFolder()]
    with pytest.raises(RuntimeError, match="no memory"):
        fit("broken", callbacks=[*used, Break()], epochs=3)
    _, again = fit("again", callbacks=used)
    fresh = [EMAWeights(0.5), ScoreTrajectory(), PretrainedFolder()]
    _, new = fit("new", callbacks=fresh)
    assert str(again.scoreboard.state()) == str(new.scoreboard.state())
    assert same(*(state(tmp_path / name / "last.ckpt") for name in ("again", "new")))
    assert used[1].state_dict() == fresh[1].state_dict()
    assert (tmp_path / "again" / "weights").is_dir()


def test_best_is_the_selection_wherever_it_is_listed(fit: Any, tmp_path: Path) -> None:
    trainer, task = fit("run", lr=3.0)
    checkpoints = [c for c in trainer.callbacks if hasattr(c, "best_model_path")]
    assert isinstance(checkpoints[0], BestWeights)
    trainer.callbacks.sort(key=lambda c: isinstance(c, BestWeights))
    trainer.validate(task, datamodule=trainer.datamodule, verbose=False)
    assert trainer.checkpoint_callback.best_model_path == str(tmp_path / "run" / "best.ckpt")
