"""A loss that is no number ends the fit before it spoils a weight."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from lit_causalmix.callbacks import FiniteLoss
from lit_causalmix.callbacks.finite_loss import LossError, read_episodes
from lit_causalmix.commands.main import main
from lit_causalmix.errors import FileError

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def test_the_step_and_the_episode_are_kept_and_give_the_loss_again(
    fit: Any, tmp_path: Path
) -> None:
    with pytest.raises(LossError, match=r"loss is (nan|inf) at step \d+, epoch \d+") as error:
        fit("run", lr=1e30, epochs=3, callbacks=[FiniteLoss()])
    path = tmp_path / "run" / "not_finite.pt"
    assert str(path) in str(error.value)
    (episode,) = read_episodes(path)
    content = torch.load(path, weights_only=True)
    assert content["step"] == 1
    assert content["batch"] == 1
    best = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(bool(torch.isfinite(value).all()) for value in best.values())
    assert episode.x_context.shape[1] == 4


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"step": 1}, tmp_path / "other.pt")
    with pytest.raises(FileError, match="holds no episodes"):
        read_episodes(tmp_path / "other.pt")


def test_the_command_line_says_it_in_one_line(
    csv: Path,
    frame: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    line += ["--data.table.target=target", "--model.optimizer.init_args.lr=1e30"]
    assert main(line) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("lit-causalmix: error: the training loss is ")
    run = Path("runs/fit/version_0")
    assert str(run / "not_finite.pt") in said
    weights = torch.load(run / "best.ckpt", weights_only=True)["state_dict"]
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())
