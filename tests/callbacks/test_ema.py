"""The moving average: its value, that it is what is scored and kept, and exact restarts."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lit_causalmix.callbacks import BestWeights, EMAWeights
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import FixedBudget

Weights = dict[str, torch.Tensor]


class Raw(pl.Callback):
    """Keeps the raw weights after every optimiser step."""

    def __init__(self) -> None:
        self.seen: list[Weights] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        if trainer.global_step > len(self.seen):
            self.seen.append({k: v.clone() for k, v in pl_module.state_dict().items()})


def averaged(start: Weights, seen: list[Weights], decay: float) -> Weights:
    average = {f"backbone.{k}": v.clone() for k, v in start.items()}
    for weights in seen:
        average = {k: decay * v + (1 - decay) * weights[k] for k, v in average.items()}
    return average


def only(trainer: Any, kind: type) -> Any:
    return next(c for c in trainer.callbacks if isinstance(c, kind))


def load(path: Path | str) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def close(a: Weights, b: Weights) -> bool:
    return all(torch.allclose(a[k], b[k], atol=1e-6) for k in a)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_what_is_returned_and_saved_is_the_average(
    fit: Any, tmp_path: Path, accumulate: int
) -> None:
    raw = Raw()
    trainer, task = fit(
        "run",
        callbacks=[EMAWeights(0.6), raw],
        model={"selection": FixedBudget()},
        accumulate_grad_batches=accumulate,
    )
    assert len(raw.seen) == trainer.global_step == {1: 6, 2: 4}[accumulate]
    expected = averaged(task._start, raw.seen, 0.6)
    assert not close(expected, raw.seen[-1])
    assert close(expected, task.state_dict())
    assert close(expected, load(tmp_path / "run" / "last.ckpt")["state_dict"])
    assert close(expected, load(only(trainer, BestWeights).best_model_path)["state_dict"])


def test_the_best_weights_are_those_that_were_scored(fit: Any) -> None:
    trainer, task = fit("run", callbacks=[EMAWeights(0.5)], lr=5e-3)
    best = task.scoreboard.selected
    curve = [entry.scores["real/log_loss"].value for entry in task.scoreboard.history]
    assert best.step > 0
    assert best.score == pytest.approx(min(curve))
    (scores,) = trainer.validate(task, datamodule=trainer.datamodule, verbose=False)
    assert scores["val/loss"] == pytest.approx(best.score, rel=1e-6)


def test_decay_zero_is_training_without_an_average(fit: Any, tmp_path: Path) -> None:
    fit("plain")
    fit("zero", callbacks=[EMAWeights(0.0)])
    plain, zero = (load(tmp_path / n / "last.ckpt")["state_dict"] for n in ("plain", "zero"))
    assert all(torch.equal(plain[k], zero[k]) for k in plain)


def test_a_callback_can_serve_two_fits(fit: Any, tmp_path: Path) -> None:
    ema = EMAWeights(0.5)
    for name in ("first", "second"):
        fit(name, callbacks=[ema])
    first, second = (load(tmp_path / n / "last.ckpt")["state_dict"] for n in ("first", "second"))
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("place", ["middle", "end"])
def test_a_resumed_fit_gives_the_same_bits(fit: Any, tmp_path: Path, place: str) -> None:
    fit("whole", callbacks=[EMAWeights(0.7)], epochs=3)
    if place == "middle":  # one episode into the second epoch
        start = next((tmp_path / "whole").glob("step*4.ckpt"))
    else:
        fit("half", callbacks=[EMAWeights(0.7)], epochs=2)
        start = tmp_path / "half" / "last.ckpt"
    fit("resumed", callbacks=[EMAWeights(0.7)], epochs=3, ckpt=start)
    whole, resumed = (load(tmp_path / n / "last.ckpt") for n in ("whole", "resumed"))
    for part in (lambda c: c["state_dict"], lambda c: c["ema_weights"]):
        assert all(torch.equal(part(whole)[k], part(resumed)[k]) for k in part(whole))
    best = load(tmp_path / "whole" / "best.ckpt"), load(tmp_path / "resumed" / "best.ckpt")
    assert all(torch.equal(best[0]["state_dict"][k], v) for k, v in best[1]["state_dict"].items())


def test_a_decay_outside_its_range_is_refused() -> None:
    for decay in (-0.1, 1.0):
        with pytest.raises(ConfigurationError, match=r"decay must lie in \[0, 1\)"):
            EMAWeights(decay)
