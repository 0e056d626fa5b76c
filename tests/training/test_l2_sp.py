"""L2-SP: the penalty's value and gradient, what it does to a fit, and exact restarts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.l2_sp import L2SP


def distance(start: dict[str, torch.Tensor], now: dict[str, torch.Tensor]) -> float:
    return sum(float((now[f"backbone.{k}"] - v).square().sum()) for k, v in start.items()) ** 0.5


def last(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "last.ckpt", weights_only=True)[
        "state_dict"
    ]
    return state


def test_value_and_gradient_are_those_of_the_formula() -> None:
    module = nn.Linear(3, 2)
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    penalty = L2SP(module, 0.4)
    assert penalty().item() == 0.0
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.arange(parameter.numel()).view_as(parameter) * 0.1)
    value = penalty()
    expected = sum(float((p - start[n]).square().sum()) for n, p in module.named_parameters())
    assert value.item() == pytest.approx(0.4 / 2 * expected)
    value.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, 0.4 * (parameter.detach() - start[name]), atol=1e-6)


def test_frozen_parameters_do_not_count() -> None:
    module = nn.Linear(3, 2)
    penalty = L2SP(module, 1.0)
    module.bias.requires_grad_(False)
    with torch.no_grad():
        module.bias.add_(5.0)
    assert penalty().item() == 0.0


def test_a_negative_coefficient_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="l2_sp must be >= 0, got -1"):
        L2SP(nn.Linear(1, 1), -1.0)


def test_a_strong_penalty_keeps_the_weights_near_the_pre_trained_ones(
    fit: Any, tmp_path: Path
) -> None:
    trainer, task = fit("free", epochs=4)
    start = task._start
    runner, _ = fit("tied", epochs=4, model={"l2_sp": 100.0})
    assert distance(start, last(tmp_path / "tied")) < 0.6 * distance(start, last(tmp_path / "free"))
    assert float(runner.callback_metrics["train/l2_sp"]) > 0
    assert "train/l2_sp" not in trainer.callback_metrics


def test_a_resumed_fit_is_pulled_to_the_same_weights(fit: Any, tmp_path: Path) -> None:
    fit("whole", epochs=3, model={"l2_sp": 5.0})
    middle = next((tmp_path / "whole").glob("step*4.ckpt"))
    fit("resumed", epochs=3, model={"l2_sp": 5.0}, ckpt=middle)
    whole, resumed = last(tmp_path / "whole"), last(tmp_path / "resumed")
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert not any("l2" in name or "start" in name for name in whole)
