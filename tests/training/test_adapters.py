"""LoRA on each backbone. These tests need peft: pip install 'lit-causalmix[lora]'."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_causalmix.backbones import Backbone, Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.callbacks import PretrainedFolder
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.adapters import LoRA
from lit_causalmix.training.task import CausalMixTask

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
ARCHITECTURE = TabPFNV1Architecture(dim=16, n_layers=2, dim_hidden=32)
BACKBONES = {
    "nano": Nano,
    "tab2d": lambda: Tab2D(dim=16, n_layers=2),
    "tabpfn-v1": lambda: TabPFNV1(weights=None, architecture=ARCHITECTURE),
}


@pytest.fixture(params=sorted(BACKBONES))
def backbone(request: pytest.FixtureRequest) -> Backbone:
    pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")
    return BACKBONES[request.param]().eval()


@pytest.fixture
def episode(frame: Any) -> Episode:
    module = CausalMixDataModule(TableSpec(frame, target="target"), synthetic_ratio=0.0)
    module.prepare_data()
    module.setup()
    return module.train_stream.episode(0, 0)


def plain_state(backbone: Backbone) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in backbone.state_dict().items()}


@torch.no_grad()
def scored(backbone: Backbone, episode: Episode) -> torch.Tensor:
    output: torch.Tensor = backbone(episode)
    return output


def train_a_little(backbone: Backbone, episode: Episode) -> None:
    trained = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.5)
    for _ in range(2):  # in the first step B, in the second A as well
        optimizer.zero_grad()
        backbone.loss(backbone(episode), episode).backward()
        optimizer.step()


def test_at_first_the_predictions_are_zero_shot_and_only_the_adapter_trains(
    backbone: Backbone, episode: Episode
) -> None:
    before, state, generator = (
        scored(backbone, episode),
        plain_state(backbone),
        torch.get_rng_state(),
    )
    LoRA(r=4).insert(backbone)
    assert torch.equal(torch.get_rng_state(), generator)
    # peft's sum has another memory layout, which attention rounds otherwise.
    assert torch.allclose(scored(backbone, episode), before, atol=1e-6)
    merged = LoRA().merged(backbone).state_dict()
    assert all(torch.equal(v, merged[k]) for k, v in state.items())
    trained = {n for n, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {n for n, _ in backbone.named_parameters() if ".lora_" in n}
    grouped = {id(p) for group in backbone.parameter_groups().values() for p in group}
    assert grouped == {id(p) for p in backbone.parameters()}
    train_a_little(backbone, episode)
    assert not torch.allclose(scored(backbone, episode), before, atol=1e-4)
    now = {k.replace(".base_layer", ""): v for k, v in backbone.state_dict().items()}
    assert all(torch.equal(v, now[k]) for k, v in state.items())


def test_by_default_every_linear_map_of_the_layers_is_adapted(backbone: Backbone) -> None:
    ends = {name.rsplit(".", 1)[-1] for name in LoRA().targets(backbone)}
    mlp = {"linear1", "linear2"}
    if isinstance(backbone, TabPFNV1):
        assert ends == {"query", "key", "value", "out"} | mlp
    elif isinstance(backbone, Nano):
        assert ends == {"query", "key", "value", "output", "up", "down"}
    else:
        assert ends == {"q", "k", "v", "o"} | mlp | {"linear3", "linear4"}
    assert all("layers." in name for name in LoRA().targets(backbone))


def test_merged_weights_predict_alike_and_are_a_plain_backbone(
    backbone: Backbone, episode: Episode
) -> None:
    names = list(backbone.state_dict())
    adapter = LoRA(r=2, alpha=8)
    adapter.insert(backbone)
    train_a_little(backbone, episode)
    merged = adapter.merged(backbone)
    assert list(merged.state_dict()) == names
    assert torch.allclose(merged(episode), backbone(episode), atol=1e-4)
    assert any(".lora_" in name for name in backbone.state_dict())  # the original keeps its own


def test_same_seed_same_adapter(backbone: Backbone) -> None:
    import copy

    one, two, three = backbone, copy.deepcopy(backbone), copy.deepcopy(backbone)
    for seed, module in ((1, one), (1, two), (2, three)):
        LoRA(seed=seed).insert(module)
    first, second, third = (plain_state(m) for m in (one, two, three))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], third[k]) for k in first)


def test_a_resumed_fit_gives_the_same_bits_and_exports_plain_weights(
    fit: Any, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")

    def run(name: str, **settings: Any) -> CausalMixTask:
        folder = PretrainedFolder(str(tmp_path / name / "weights"))
        model = {"adapter": LoRA(r=2)}
        return fit(name, callbacks=[folder], model=model, epochs=3, lr=1e-2, **settings)[1]

    task = run("whole")
    run("resumed", ckpt=next((tmp_path / "whole").glob("step*4.ckpt")))
    states = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "resumed")
    ]
    assert any(".lora_A" in name for name in states[0])
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    exported = Tab2D.from_pretrained(tmp_path / "whole" / "weights").state_dict()
    # Fits keep the best validation alike: the folder holds what the task returns, merged.
    merged = task.kept_backbone().state_dict()
    assert all(torch.allclose(exported[k], merged[k], atol=1e-6) for k in merged)


def test_lora_runs_from_its_configuration(
    csv: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    options = ["--config", "finetune/lora", "--model.backbone=Nano"]
    assert main(["fit", "--config", str(TINY), *table, *options]) == 0
    run = Path("runs/fit/version_0")
    again = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "best.ckpt")]
    assert main(["predict", *again, f"--data.predict_source={csv}"]) == 0
    assert Path("runs/fit-predict/version_0/predictions.csv").is_file()


def test_a_target_that_fits_nothing_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"no linear map for target \['in_proj'\] in Tab2D"
    ):
        LoRA(target=["in_proj"]).targets(Tab2D(dim=16, n_layers=1))
    assert LoRA(target=["q"]).targets(Tab2D(dim=16, n_layers=1)) == [
        "network.layers.0.attention1.q",
        "network.layers.0.attention2.q",
    ]
    with pytest.raises(ConfigurationError, match="r >= 1 and dropout"):
        LoRA(r=0)


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # its import fails
    with pytest.raises(ConfigurationError, match=r"pip install 'lit-causalmix\[lora\]'"):
        CausalMixTask(Tab2D(dim=16, n_layers=1), adapter=LoRA())
