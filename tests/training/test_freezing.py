"""`freeze` by parameter group, on each backbone."""

from functools import partial
from typing import Any

import pytest
import torch

from lit_causalmix.backbones import Backbone, Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.training.task import CausalMixTask


def tabpfn() -> Backbone:
    architecture = TabPFNV1Architecture(dim=16, n_layers=1, dim_hidden=16)
    return TabPFNV1(weights=None, architecture=architecture)


@pytest.mark.parametrize(
    ("make", "groups"),
    [
        (Nano, ["embedding", "layers", "head"]),
        (partial(Tab2D, dim=16, n_layers=1), ["embedding", "layers", "head"]),
        (tabpfn, ["encoder", "layers", "decoder"]),
    ],
    ids=["nano", "tab2d", "tabpfn-v1"],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_frozen_group_stays_and_the_others_move(
    fit: Any, make: Any, groups: list[str], position: int
) -> None:
    backbone = make()
    assert list(backbone.parameter_groups()) == groups
    before = {g: [p.detach().clone() for p in ps] for g, ps in backbone.parameter_groups().items()}
    task = CausalMixTask(backbone, partial(torch.optim.AdamW, lr=1e-3), freeze=[groups[position]])
    trainer, _ = fit("run", task=task, epochs=1, data={"episodes_per_epoch": 1})
    trained = {group["name"] for group in trainer.optimizers[0].param_groups}
    assert trained == set(groups) - {groups[position]}
    path = next(c for c in trainer.callbacks if getattr(c, "filename", "") == "last").dirpath
    backbone.load_state_dict(_last(path))
    for name, parameters in backbone.parameter_groups().items():
        moved = [not torch.equal(a, b) for a, b in zip(parameters, before[name], strict=True)]
        assert any(moved) == (name != groups[position]), name


def _last(folder: str) -> dict[str, torch.Tensor]:
    state = torch.load(f"{folder}/last.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("backbone."): value for name, value in state.items()}
