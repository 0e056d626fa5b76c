"""Schedules of synthetic rows: what is drawn, over ranks, workers and restarts."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from lit_causalmix.backbones import Backbone, Tab2D
from lit_causalmix.callbacks import ConfidenceCurriculum, RatioSchedule
from lit_causalmix.callbacks.scheduling import run_progress
from lit_causalmix.commands.main import main
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.generators import JitterGenerator
from lit_causalmix.training.schedules import Constant, Linear, Progress, Schedule, Step
from lit_causalmix.training.task import CausalMixTask

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
MIXED = {"synthetic_ratio": 0.5}


class Shares(pl.Callback):
    """Keeps the share of synthetic rows of every training episode, and what was logged."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.logged: list[float] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, _: Any, batch: Any, *__: Any
    ) -> None:
        self.seen.append(share(batch))
        self.logged.append(float(trainer.callback_metrics["train/synthetic_ratio"]))


class Rows(pl.Callback):
    """Keeps the number of context rows of every training episode."""

    def __init__(self) -> None:
        self.context: list[int] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, _: Any, batch: Any, *__: Any
    ) -> None:
        self.context.append(len(batch.context_origin))


def task_of(backbone: Backbone) -> CausalMixTask:
    return CausalMixTask(backbone, partial(torch.optim.AdamW, lr=1e-3))


def share(episode: Episode) -> float:
    origin = torch.cat([episode.context_origin, episode.query_origin])
    return float((origin == RowOrigin.SYNTHETIC).double().mean())


def last(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "last.ckpt", weights_only=True)[
        "state_dict"
    ]
    return state


@pytest.mark.parametrize("workers", [0, 2])
def test_episodes_hold_the_scheduled_share(fit: Any, workers: int) -> None:
    shares = Shares()
    schedule = RatioSchedule(Linear(1.0, 0.0))
    trainer, _ = fit("run", callbacks=[schedule, shares], data=MIXED | {"num_workers": workers})
    expected = np.linspace(1.0, 0.0, 6)  # two epochs of three episodes
    assert shares.seen == pytest.approx(expected, abs=0.02)
    assert shares.logged == pytest.approx(expected, abs=1e-6)
    assert trainer.datamodule.method == "SCM, ratio linear 1 to 0"


def test_a_constant_schedule_is_the_plain_ratio(fit: Any, tmp_path: Path) -> None:
    fit("plain", data={"synthetic_ratio": 0.3})
    fit("constant", data={"synthetic_ratio": 0.9}, callbacks=[RatioSchedule(Constant(0.3))])
    plain, constant = last(tmp_path / "plain"), last(tmp_path / "constant")
    assert all(torch.equal(plain[k], constant[k]) for k in plain)


def test_a_resumed_fit_gives_the_same_bits(fit: Any, tmp_path: Path) -> None:
    def run(name: str, **settings: Any) -> None:
        callbacks = [RatioSchedule(Linear(0.9, 0.1)), ConfidenceCurriculum()]
        fit(name, callbacks=callbacks, data=MIXED, epochs=3, **settings)

    run("whole")
    run("resumed", ckpt=next((tmp_path / "whole").glob("step*4.ckpt")))
    whole, resumed = last(tmp_path / "whole"), last(tmp_path / "resumed")
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_epochs": 4}, Progress(10, 40)),
        ({"max_epochs": -1, "max_steps": 15}, Progress(10, 15)),
        ({"max_epochs": 4, "max_steps": 15}, Progress(10, 15)),
        ({"max_epochs": 1, "max_steps": 15}, Progress(10, 10)),
        ({"max_epochs": 4, "limit_train_batches": 3}, Progress(3, 12)),
        ({"max_epochs": 4, "limit_train_batches": 0.5}, Progress(5, 20)),
        # Steps of 3, 3, 3 and, at the end of the epoch, 1 episode.
        ({"max_epochs": -1, "max_steps": 6, "accumulate_grad_batches": 3}, Progress(10, 16)),
    ],
)
def test_the_length_of_a_fit_is_that_of_the_trainer(
    limits: dict[str, int], expected: Progress
) -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, **limits)  # type: ignore[arg-type]
    assert run_progress(trainer, 10, RatioSchedule(Constant(0.5))) == expected


def test_ranks_share_one_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, max_epochs=4, enable_progress_bar=False)
    monkeypatch.setattr(type(trainer), "world_size", property(lambda _: 3))
    # 10 episodes over 3 ranks: 4 each, 12 in an epoch.
    assert run_progress(trainer, 10, RatioSchedule(Constant(0.5))) == Progress(12, 48)


def test_impossible_schedules_are_refused(fit: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"set trainer\.max_epochs or trainer\.max_steps"):
        fit("a", callbacks=[RatioSchedule(Constant(0.5))], data=MIXED, epochs=-1)
    with pytest.raises(ConfigurationError, match=r"must lie in \[0, 1\], linear 0 to 1\.5"):
        fit("b", callbacks=[RatioSchedule(Linear(0, 1.5))], data=MIXED)
    with pytest.raises(ConfigurationError, match="RatioSchedule has no synthetic rows"):
        fit("c", callbacks=[RatioSchedule(Constant(0.5))], data={"synthetic_ratio": 0.0})
    with pytest.raises(ConfigurationError, match=r"must lie in \(0, 1\], linear 0 to 1 has 0 to 1"):
        fit("d", callbacks=[ConfidenceCurriculum(Linear(0, 1))], data=MIXED)
    with pytest.raises(ConfigurationError, match="ConfidenceCurriculum has no synthetic rows"):
        fit("e", callbacks=[ConfidenceCurriculum()], data={"synthetic_size": 0.0})
    schedule = RatioSchedule(Step([0.9, 0.0], at=[0.5]))
    with pytest.raises(ConfigurationError, match="at synthetic_ratio 0, the training split has 96"):
        fit("f", callbacks=[schedule], data={"synthetic_ratio": 0.9, "episode_rows": 300})


class Broken(JitterGenerator):
    """Ends the test where it is fitted."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("fitted before the schedule was checked")


def test_a_schedule_is_checked_before_a_generator_is_fitted(fit: Any) -> None:
    def refused(schedule: Schedule, message: str, **data: Any) -> None:
        own = {**MIXED, "generator": Broken(), **data}
        with pytest.raises(ConfigurationError, match=message):
            fit("x", callbacks=[RatioSchedule(schedule)], data=own)

    refused(Linear(0.9, 0.0), "at synthetic_ratio 0, the training", episode_rows=300)
    refused(Linear(0.0, 1.0), "so that the ratio lies below 1, got 1", synthetic_mode="add")
    rows = {"generator": JitterGenerator(), "episode_rows": 150}
    schedule = RatioSchedule(Constant(0.9))  # takes 15 real rows, where 0.1 would take 135 of 96
    fit("y", callbacks=[schedule], data={**rows, "synthetic_ratio": 0.1})


def test_episodes_of_a_schedule_stay_within_the_rows_that_the_backbone_takes(fit: Any) -> None:
    seen = Rows()
    schedule = RatioSchedule(Linear(0.0, 0.75))
    data = {"generator": JitterGenerator(), "synthetic_mode": "add", "synthetic_ratio": 0.25}
    backbone = Tab2D(dim=16, n_layers=1, max_context_rows=60)
    fit("in", callbacks=[schedule, seen], data=data, task=task_of(backbone))
    assert 15 <= min(seen.context) < max(seen.context) <= 60
    with pytest.raises(LimitError, match="takes at most 60 context rows"):
        fit(
            "out",
            callbacks=[RatioSchedule(Linear(0.0, 0.75))],
            data={**data, "episode_rows": 60},
            task=task_of(Tab2D(dim=16, n_layers=1, max_context_rows=60)),
        )


def test_all_synthetic_rows_at_once_is_no_curriculum(fit: Any, tmp_path: Path) -> None:
    fit("plain", data=MIXED)
    fit("all", data=MIXED, callbacks=[ConfidenceCurriculum(Constant(1.0))])
    fit("half", data=MIXED, callbacks=[ConfidenceCurriculum(Constant(0.5))])
    plain, everything, half = (last(tmp_path / n) for n in ("plain", "all", "half"))
    assert all(torch.equal(plain[k], everything[k]) for k in plain)
    assert not all(torch.equal(plain[k], half[k]) for k in plain)


@pytest.mark.parametrize("name", ["step", "confidence"])
def test_a_schedule_runs_from_its_configuration(
    name: str, csv: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    assert main(["fit", "--config", str(TINY), *table, "--config", f"schedules/{name}"]) == 0
    label = {"step": "SCM, ratio steps 1, 0.5, 0,", "confidence": "SCM, ratio 0.5,"}[name]
    assert label in capsys.readouterr().out
