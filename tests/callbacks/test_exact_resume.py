"""An interrupted fit that goes on has the bits of one that was never interrupted."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_causalmix.callbacks import EMAWeights, ExactResume
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.interruption import Interrupted, StopRequest

Fit = Callable[..., tuple[pl.Trainer, Any]]


class Kick(pl.Callback):
    """Sends a signal to its own process at the n-th call of a hook, once or several times."""

    def __init__(self, hook: str, n: int, signum: int = signal.SIGINT, times: int = 1) -> None:
        self.left, self.signum, self.times = n, signum, times
        setattr(self, hook, self._count)

    def _count(self, *_: Any) -> None:
        self.left -= 1
        for _ in range(self.times if self.left == 0 else 0):
            os.kill(os.getpid(), self.signum)


class Seen(pl.Callback):
    """The context rows of every batch of a whole step, in their order."""

    def __init__(self) -> None:
        self.contexts: list[float] = []

    def on_train_batch_end(self, *args: Any) -> None:
        self.contexts.append(float(args[3].x_context.nan_to_num().double().sum()))


def last(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)
    return content


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a["state_dict"][k], b["state_dict"][k]) for k in a["state_dict"])


def history(trainer: pl.Trainer) -> Any:
    return trainer.lightning_module.scoreboard.state()["history"]  # type: ignore[union-attr]


def interrupted(fit: Fit, kick: Kick, **settings: Any) -> Seen:
    seen = Seen()
    with pytest.raises(SystemExit) as end:
        fit("cut", callbacks=[kick, EMAWeights(0.5), seen], after=[ExactResume()], **settings)
    assert isinstance(end.value.__context__, Interrupted)
    return seen


@pytest.mark.parametrize(
    ("hook", "n"),
    [
        ("on_train_batch_start", 2),
        ("on_before_optimizer_step", 4),
        ("on_validation_batch_end", 1),
        ("on_train_epoch_end", 1),
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"accumulate_grad_batches": 2},
        {"val_check_interval": 2},
        {"max_steps": 8},
        {"max_steps": 5, "limit_train_batches": 3},
        {"data": {"synthetic_mode": "add", "synthetic_ratio": 0.5}},
    ],
    ids=[
        "plain",
        "accumulated",
        "validation within the epoch",
        "a number of steps",
        "a number of steps in cut epochs",
        "added rows",
    ],
)
def test_wherever_the_signal_falls_the_bits_are_the_same(
    fit: Fit, tmp_path: Path, hook: str, n: int, settings: dict[str, Any]
) -> None:
    data = {"episodes_per_epoch": 5} | settings.get("data", {})
    settings = settings | {"data": data, "epochs": 2}
    whole = Seen()
    uninterrupted, _ = fit("whole", callbacks=[EMAWeights(0.5), whole], **settings)
    before = interrupted(fit, Kick(hook, n), **settings)
    after = Seen()
    checkpoint = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    resumed, _ = fit(
        "on", callbacks=[EMAWeights(0.5), after], after=[ExactResume()], ckpt=checkpoint, **settings
    )
    assert before.contexts + after.contexts == whole.contexts
    assert same(last(tmp_path / "whole"), last(tmp_path / "on"))
    assert history(resumed) == history(uninterrupted)


def test_a_second_signal_stops_at_once_and_saves_nothing(fit: Fit, tmp_path: Path) -> None:
    interrupted(fit, Kick("on_before_backward", 2, times=2))
    assert not (tmp_path / "cut" / "checkpoints" / "last.ckpt").exists()


def test_without_a_filename_a_fit_stops_and_saves_nothing(
    fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        fit("cut", callbacks=[Kick("on_before_backward", 2)], after=[ExactResume(filename=None)])
    assert isinstance(end.value.__context__, Interrupted)
    assert "stopped after step 2: nothing is kept without run_folder" in capsys.readouterr().err
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_sigterm_ends_a_fit_like_ctrl_c_and_is_told_apart(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        fit("cut", callbacks=[Kick("on_before_backward", 2, signal.SIGTERM)], after=[ExactResume()])
    assert isinstance(end.value.__context__, Interrupted)
    assert end.value.__context__.signum == signal.SIGTERM
    assert (tmp_path / "cut" / "checkpoints" / "last.ckpt").is_file()


def test_a_checkpoint_at_the_end_of_an_epoch_runs_the_validation_that_was_due(
    fit: Fit, tmp_path: Path
) -> None:
    every = ModelCheckpoint(tmp_path / "steps", "{step}", every_n_train_steps=3, save_top_k=-1)
    whole, _ = fit("whole", after=[ExactResume(), every], epochs=3)
    resumed, _ = fit("on", after=[ExactResume()], ckpt=tmp_path / "steps" / "step=3.ckpt", epochs=3)
    assert history(resumed) == history(whole)
    assert [point["step"] for point in history(resumed)] == [0, 3, 6, 9]
    assert same(last(tmp_path / "whole"), last(tmp_path / "on"))


def test_a_fit_that_early_stopping_has_ended_is_not_trained_on(fit: Fit, tmp_path: Path) -> None:
    stopped, _ = fit("run", lr=3.0, epochs=9, patience=2, after=[ExactResume()])
    assert stopped.current_epoch < 9
    on, _ = fit(
        "on",
        lr=3.0,
        epochs=9,
        patience=2,
        after=[ExactResume()],
        ckpt=tmp_path / "run" / "last.ckpt",
    )
    assert on.global_step == stopped.global_step


class SaveWithinStep(pl.Callback):
    def __init__(self, path: Path) -> None:
        self.path = path

    def on_before_optimizer_step(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.path)


def test_what_was_saved_within_a_step_is_refused(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "torn.ckpt"
    fit("run", callbacks=[SaveWithinStep(path)], after=[ExactResume()], epochs=1)
    with pytest.raises(ConfigurationError, match="in the middle of a step"):
        fit("on", after=[ExactResume()], ckpt=path)


def test_an_exception_saves_nothing_either(fit: Fit, tmp_path: Path) -> None:
    class Fail(pl.Callback):
        def on_before_optimizer_step(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.global_step == 1:
                raise ArithmeticError

    saver = ModelCheckpoint(
        tmp_path / "saved", "{step}", every_n_train_steps=9, save_on_exception=True
    )
    with pytest.raises(ArithmeticError):
        fit("run", callbacks=[Fail()], after=[ExactResume(), saver])
    assert not list((tmp_path / "saved").glob("*.ckpt"))


def test_signals_go_back_to_whoever_had_them() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    request = StopRequest(lambda signum: None)
    request.listen()
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_signal_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        request = StopRequest(lambda signum: None)
        request.listen()
        signal.raise_signal(signal.SIGINT)
        assert request.signum is None
        request.close()
    finally:
        signal.signal(signal.SIGINT, former)


def test_an_epoch_that_other_processes_shared_out_is_said(
    fit: Fit, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    interrupted(fit, Kick("on_train_batch_start", 2))
    path = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    assert content["exact_resume"]["ranks"] == 1
    fit("on", callbacks=[EMAWeights(0.5)], after=[ExactResume()], ckpt=path)
    assert "shared out" not in capfd.readouterr().err
    content["exact_resume"]["ranks"] = 2  # of two, who took an episode each in every step
    torch.save(content, tmp_path / "two.ckpt")
    fit("other", callbacks=[EMAWeights(0.5)], after=[ExactResume()], ckpt=tmp_path / "two.ckpt")
    said = "saved within an epoch that 2 processes shared out, and goes on in 1"
    assert said in capfd.readouterr().err
