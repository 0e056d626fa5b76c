import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lit_causalmix.backbones import AxialTransformer, Tab2D
from lit_causalmix.callbacks.finite_loss import read_episodes
from lit_causalmix.commands.main import main

EASY = str(Path(__file__).parent / "conf" / "pretrain.yaml")
SECOND = str(Path(__file__).parent / "conf" / "pretrain-axial.yaml")
BRIEF = ["--data.init_args.steps_per_epoch=4", "--data.init_args.val_tasks=4"]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def run(number: int) -> Path:
    return Path("runs") / "pretrain" / f"version_{number}"


def curve(number: int, name: str) -> list[float]:
    with (run(number) / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def state(path: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return weights


@pytest.mark.slow
def test_in_context_learning_begins_on_an_easy_prior() -> None:
    assert main(["fit", "--config", EASY]) == 0
    loss, baseline = curve(0, "val/loss"), curve(0, "val/baseline")
    assert loss[-1] < 0.9 * baseline[-1]
    assert curve(0, "val/prior/roc_auc")[-1] > 0.65
    assert np.mean(curve(0, "train/loss")[-3:]) < np.mean(curve(0, "train/loss")[:3])


def test_the_folder_holds_the_selected_weights_and_serves_as_weights() -> None:
    assert main(["fit", "--config", EASY, *BRIEF]) == 0
    best = state(run(0) / "checkpoints" / "best.ckpt")
    model = Tab2D.from_pretrained(run(0) / "weights")
    for name, value in model.state_dict().items():
        assert torch.equal(value, best[f"backbone.{name}"]), name
    # Its own configuration repeats the run, starting from its weights.
    config = str(run(0) / "config.yaml")
    weights = f"--model.backbone.init_args.weights={run(0) / 'weights'}"
    assert main(["validate", "--config", config, weights]) == 0
    assert curve(1, "val/loss") == pytest.approx([min(curve(0, "val/loss"))])


def test_it_resumes_in_the_middle_of_an_epoch_with_the_same_bits() -> None:
    middle = [
        "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
        "--trainer.callbacks.filename=middle",
        "--trainer.callbacks.every_n_train_steps=6",  # two steps into the second epoch
    ]
    assert main(["fit", "--config", EASY, *BRIEF, *middle, "--trainer.max_epochs=2"]) == 0
    assert main(["fit", "--config", EASY, *BRIEF]) == 0
    checkpoint = run(0) / "checkpoints" / "middle.ckpt"
    assert main(["fit", "--config", EASY, *BRIEF, *middle, f"--ckpt_path={checkpoint}"]) == 0
    whole = state(run(1) / "checkpoints" / "last.ckpt")
    resumed = state(run(2) / "checkpoints" / "last.ckpt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    first, second = (run(n) / "checkpoints" / "last.ckpt" for n in (1, 2))
    steps = [torch.load(path, weights_only=True)["global_step"] for path in (first, second)]
    assert steps == [12, 12]  # the last one, whether or not it was the best


def test_families_are_scored_and_select_nothing() -> None:
    assert main(["fit", "--config", SECOND, "--trainer.max_epochs=1"]) == 0
    prior, smooth = (curve(0, f"val/{name}/loss")[0] for name in ("prior", "prior/smooth"))
    assert prior != smooth
    assert curve(0, "val/loss") == [pytest.approx(prior)]  # there are no tables


def test_a_cut_run_with_averaged_weights_goes_on_with_the_same_bits_and_may_end_early() -> None:
    assert main(["fit", "--config", SECOND]) == 0
    assert main(["fit", "--config", SECOND, "--trainer.max_epochs=1"]) == 0
    cut = f"--ckpt_path={run(1) / 'checkpoints' / 'last.ckpt'}"
    assert main(["fit", "--config", SECOND, cut]) == 0
    end = "--model.lr_scheduler.init_args.total_steps=8"
    assert main(["fit", "--config", SECOND, cut, end, "--trainer.max_epochs=2"]) == 0
    whole, resumed, ended = (
        torch.load(run(n) / "checkpoints" / "last.ckpt", weights_only=True) for n in (0, 2, 3)
    )
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    for name, value in whole["ema_weights"].items():
        assert torch.equal(value, resumed["ema_weights"][name]), name
    assert ended["global_step"] == 8
    assert ended["lr_schedulers"][0]["_last_lr"] == [0.0, 0.0]
    assert resumed["lr_schedulers"][0]["_last_lr"][0] > 0


def test_a_packed_checkpoint_is_a_third_as_large_and_goes_on() -> None:
    script = Path(__file__).parent.parent / "scripts" / "pack_checkpoint.py"
    wide = ["--model.backbone.init_args.dim=64", "--trainer.max_epochs=2"]
    assert main(["fit", "--config", SECOND, *wide]) == 0
    whole, small = run(0) / "checkpoints" / "last.ckpt", Path("small.ckpt")
    pack = [sys.executable, str(script), "--checkpoint", str(whole), "--out", str(small)]
    assert "step 8" in subprocess.run(pack, check=True, capture_output=True, text=True).stdout
    assert small.stat().st_size < 0.45 * whole.stat().st_size
    before, after = (torch.load(file, weights_only=True) for file in (whole, small))
    for name, value in before["state_dict"].items():
        torch.testing.assert_close(after["state_dict"][name].float(), value, atol=1e-3, rtol=1e-3)
    wide[1] = "--trainer.max_epochs=3"
    for path in (whole, small):
        assert main(["fit", "--config", SECOND, *wide, f"--ckpt_path={path}"]) == 0
    first, second = (
        torch.load(run(n) / "checkpoints" / "last.ckpt", weights_only=True) for n in (1, 2)
    )
    assert second["global_step"] == 12
    for key in ("state_dict", "ema_weights"):
        for name, value in second[key].items():
            assert value.dtype == first[key][name].dtype == torch.float32
            torch.testing.assert_close(value, first[key][name], atol=0.05, rtol=0.05)
    broken = subprocess.run(
        [*pack[:2], "--checkpoint", str(script), "--out", "x.ckpt"], capture_output=True, text=True
    )
    assert broken.returncode == 2
    assert "error: " in broken.stderr.splitlines()[-1]


@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_the_recipes_of_the_third_generation_run(task: str) -> None:
    name = f"configs/pretrain/nano3-{task}.yaml"
    plan = yaml.safe_load((Path(__file__).parent.parent / name).read_text())
    schedule, trainer = plan["model"]["lr_scheduler"]["init_args"], plan["trainer"]
    data = plan["data"]["init_args"]
    batches = trainer["max_epochs"] * data["steps_per_epoch"]
    assert schedule["total_steps"] == batches / trainer["accumulate_grad_batches"]
    assert trainer["max_epochs"] % trainer["check_val_every_n_epoch"] == 0  # the end is scored
    small = {"step_cells": 3_000, "epochs": None, "prior": data["stages"][0]["prior"]}
    brief = {"stages": [small], "steps_per_epoch": 2, "val_tasks": 1, "family_tasks": 1}
    brief |= {"num_workers": 1, "pin_memory": False}
    Path("brief.yaml").write_text(yaml.safe_dump({"data": {"init_args": brief}}))
    line = ["--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1"]
    line += ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    assert main(["fit", "--config", name, "--config", "brief.yaml", *line]) == 0
    folder = Path("runs") / f"nano3-{task}" / "version_0" / "weights"
    assert AxialTransformer.from_pretrained(folder).config.n_layers == 8
    assert (folder / "model.safetensors").stat().st_size < 12_000_000


def test_tasks_whose_loss_is_no_number_are_kept() -> None:
    line = ["fit", "--config", SECOND, *BRIEF, "--model.optimizer.init_args.lr=1e30"]
    assert main(line) == 2
    episodes = read_episodes(run(0) / "not_finite.pt")
    assert len({e.x_context.shape for e in episodes}) == 1
    assert len(episodes) > 1


@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_the_recipes_of_the_second_generation_run(task: str) -> None:
    name = f"configs/pretrain/nano2-{task}.yaml"
    brief = ["--data.init_args.steps_per_epoch=1", "--data.init_args.val_tasks=1"]
    brief += ["--data.init_args.family_tasks=1", "--trainer.check_val_every_n_epoch=1"]
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    assert main(["fit", f"--config={name}", "--trainer.max_epochs=1", *brief, *quiet]) == 0
    folder = Path("runs") / f"nano2-{task}" / "version_0"
    AxialTransformer.from_pretrained(folder / "weights")
    plan = yaml.safe_load((Path(__file__).parent.parent / name).read_text())
    schedule = plan["model"]["lr_scheduler"]["init_args"]
    steps = plan["trainer"]["max_epochs"] * plan["data"]["init_args"]["steps_per_epoch"]
    assert schedule["total_steps"] == steps  # the schedule ends with the training
    size = (folder / "weights" / "model.safetensors").stat().st_size
    assert size < 12_000_000


def test_a_run_that_was_moved_goes_on_writing_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["fit", "--config", EASY, *BRIEF, "--trainer.max_epochs=2"]) == 0
    run(0).rename(tmp_path / "moved")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder, last = (tmp_path / "moved" / n for n in ("weights", "checkpoints/last.ckpt"))
    before = Tab2D.from_pretrained(folder).state_dict()
    assert main(["fit", "--config", EASY, *BRIEF, "--ckpt_path", str(last)]) == 0
    assert "selection starts again" not in caplog.text
    assert not (run(0) / "weights").exists()
    third = state(run(0) / "checkpoints" / "last.ckpt")  # the third epoch is the best
    after = Tab2D.from_pretrained(folder).state_dict()
    assert all(torch.equal(value, third[f"backbone.{name}"]) for name, value in after.items())
    assert not all(torch.equal(value, before[name]) for name, value in after.items())


@pytest.mark.parametrize("task", ["classifier", "regressor", "regressor-binned"])
def test_the_shipped_recipes_run(task: str) -> None:
    name = f"configs/pretrain/nano-{task}.yaml"
    if task == "regressor-binned":  # goes on with weights of the recipe before
        Tab2D(dim=16, n_layers=2, n_heads=2, n_outputs=8, task="regression").save_pretrained(
            "grown"
        )
    brief = ["--data.init_args.steps_per_epoch=1", "--data.init_args.val_tasks=1"]
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    assert main(["fit", "--config", name, "--trainer.max_epochs=1", *brief, *quiet]) == 0
    folder = Path("runs") / f"nano-{task}" / "version_0"
    assert Tab2D.from_pretrained(folder / "weights").config.dim % 4 == 0
    config = yaml.safe_load((folder / "config.yaml").read_text())
    schedule = config["model"]["lr_scheduler"]["init_args"]
    epochs = yaml.safe_load((Path(__file__).parent.parent / name).read_text())["trainer"][
        "max_epochs"
    ]
    assert schedule["total_steps"] == 100 * epochs  # the schedule ends with the training


def test_unknown_options_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", EASY, "--data.init_args.steps=4"]) == 2
    assert "steps" in capsys.readouterr().err
    assert main(["test", "--config", EASY]) == 2
