import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Muon
from torch.optim.lr_scheduler import OneCycleLR

from lit_causalmix.backbones import Tab2D
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_tasks
from lit_causalmix.training.optim import MuonAdamW, MuonByShape, WarmupStableDecay
from lit_causalmix.training.optimizer_settings import KEY


def parts(**settings: Any) -> tuple[Tab2D, MuonAdamW, OneCycleLR]:
    model = Tab2D(dim=16, n_layers=2)
    groups = [{"name": name, "params": p} for name, p in model.parameter_groups().items()]
    optimizer = MuonAdamW(groups, lr=5e-3, **settings)
    return model, optimizer, OneCycleLR(optimizer, 5e-3, total_steps=40, cycle_momentum=False)


TASKS = draw_tasks(
    PriorSettings(columns=(1, 2), max_classes=2), cells=1_000, seed=0, epoch=0, index=0
)


def steps(n: int, model: Tab2D, optimizer: MuonAdamW, schedule: OneCycleLR) -> list[float]:
    values = []
    for _ in range(n):
        loss = model.losses(TASKS).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        values.append(loss.item())
    return values


def test_every_parameter_moves_and_the_loss_falls() -> None:
    model, optimizer, schedule = parts()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    values = steps(30, model, optimizer, schedule)
    assert values[-1] < values[0] - 0.01
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    # A key's bias shifts all attention scores of a query alike, so it has no gradient.
    assert all(name.endswith("k.bias") for name in still)


def test_muon_takes_the_matrices_of_the_layers_alone() -> None:
    model, optimizer, _ = parts()
    muon, adamw = optimizer.param_groups
    assert all(p.ndim == 2 for p in muon["params"])
    assert len(muon["params"]) == 2 * 12
    everything = {id(p) for p in [*muon["params"], *adamw["params"]]}
    assert everything == {id(p) for p in model.parameters()}


def test_matrices_of_one_shape_together_are_torchs_one_by_one() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(64, 128), (128, 64), (64, 128), (32, 96), (16, 16)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    moved = []
    settings = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9, "adjust_lr_fn": "match_rms_adamw"}
    for kind in (Muon, MuonByShape):
        parameters = [torch.nn.Parameter(matrix.clone()) for matrix in start]
        optimizer = kind(parameters, **settings)  # type: ignore[arg-type]
        generator.manual_seed(1)
        for _ in range(3):
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()  # type: ignore[no-untyped-call]
        states = [optimizer.state[p]["momentum_buffer"] for p in parameters]
        moved.append([p.detach() for p in parameters] + states)
    for one, other in zip(*moved, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_it_resumes_with_the_same_bits() -> None:
    first = parts()
    steps(3, *first)
    states = copy.deepcopy([part.state_dict() for part in first])
    second = parts()
    for part, state in zip(second, states, strict=True):
        part.load_state_dict(state)
    assert steps(3, *second) == steps(3, *first)
    assert second[1].param_groups[0]["lr"] == first[1].param_groups[0]["lr"]


def test_weight_decay_and_rate_reach_both() -> None:
    moved = []
    for settings in ({"weight_decay": 0.0}, {"weight_decay": 0.5}):
        model, optimizer, schedule = parts(**settings)
        steps(2, model, optimizer, schedule)
        moved.append(model.network)
    plain, decayed = moved
    assert decayed.final_layer.weight.norm() < plain.final_layer.weight.norm()
    assert decayed.layers[0].linear1.weight.norm() < plain.layers[0].linear1.weight.norm()


def test_groups_without_the_layers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"finds 0 matrices in .* named body"):
        parts(hidden=("body",))


def rates(schedule: WarmupStableDecay, n: int) -> list[float]:
    found = []
    for _ in range(n):
        found.append(float(schedule.get_last_lr()[0]))
        schedule.optimizer.step()
        schedule.step()
    return found


def stable(total: int) -> WarmupStableDecay:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=4.0)
    return WarmupStableDecay(optimizer, total_steps=total, warmup_steps=3, decay_steps=4)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    assert rates(stable(12), 12) == [1, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2, 1]
    late = stable(12)
    assert rates(late, 15)[-2:] == [0, 0]


def test_a_continued_run_may_end_earlier_or_later() -> None:
    long = stable(1_000)
    assert rates(long, 6)[-1] == 4
    short = stable(10)
    short.load_state_dict(long.state_dict())
    assert rates(short, 4)[1:] == [3, 2, 1]
    same = stable(1_000)
    same.load_state_dict(long.state_dict())
    assert rates(same, 5) == rates(long, 5)


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="fit into total_steps, got 3, 4 and 6"):
        stable(6)


def test_a_fit_goes_on_with_its_own_optimiser_in_python_too(fit: Any, tmp_path: Path) -> None:
    fit("run", epochs=1)
    last = tmp_path / "run" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    for group in content[KEY]["groups"]:
        group["tensors"] += 1  # as where one optimiser has all groups in its own
    torch.save(content, tmp_path / "other.ckpt")
    del content[KEY]
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(ConfigurationError, match=r"has lr 0\.01, model\.optimizer has lr 0\.5"):
        fit("again", lr=0.5, ckpt=last)
    with pytest.raises(ConfigurationError, match=r"trains embedding \(\d+ tensors\), .*, this fit"):
        fit("again", ckpt=tmp_path / "other.ckpt")
    trainer, _ = fit("again", ckpt=tmp_path / "old.ckpt")  # of an earlier version
    assert trainer.current_epoch == 2
