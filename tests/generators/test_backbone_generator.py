from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lit_causalmix.backbones import Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.backbone import BackboneGenerator, content_hash
from lit_causalmix.generators.parts.cache import generator_fingerprint
from lit_causalmix.tables.table import Table
from lit_causalmix.training.adapters import LoRA
from lit_causalmix.training.task import CausalMixTask


class Constant(BackboneGenerator):
    """Rows of zeros; only the backbone matters here."""

    def __init__(self, backbone: Any = None, device: str = "cpu") -> None:
        super().__init__(backbone, device)

    def settings(self) -> dict[str, Any]:
        return self.backbone_settings()

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None: ...

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros((n, 2))

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, train: Table) -> None: ...


def small(seed: int) -> Tab2D:
    return Tab2D(dim=8, n_layers=1, n_heads=2, seed=seed)


def test_the_first_backbone_handed_over_is_copied_and_kept() -> None:
    model, generator = small(0), Constant()
    generator.use(model)
    before = generator.settings()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)  # as training would
    generator.use(model)
    assert generator.settings() == before
    assert not any(p.requires_grad for p in generator.backbone.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_a_task_hands_over_the_weights_without_its_adapter() -> None:
    pytest.importorskip("peft")
    task = CausalMixTask(small(0), adapter=LoRA(r=2))
    generator = Constant()
    generator.use(task.plain_backbone())
    assert generator.settings() == Constant(small(0)).settings()


def test_a_backbone_of_the_settings_goes_first() -> None:
    generator = Constant(small(1))
    generator.use(small(2))
    assert generator.settings() == Constant(small(1)).settings()


def test_without_a_module_it_is_the_embedded_model() -> None:
    assert Constant().settings()["weights"] == content_hash(Nano())


def test_the_cache_tells_backbones_apart(mixed: Table) -> None:
    tiny = TabPFNV1Architecture(dim=8, dim_hidden=8, n_layers=1, n_heads=2)
    one, other = (
        TabPFNV1(None, architecture=tiny, n_ensemble=n) for n in (1, 2)
    )  # equal weights, different predictions
    keys = {
        generator_fingerprint(Constant(backbone), mixed, 0)
        for backbone in (small(0), small(1), one, other, None)
    }
    assert len(keys) == 5
    assert generator_fingerprint(Constant(small(0)), mixed, 0) in keys


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_an_absent_device_is_refused(device: str) -> None:
    with pytest.raises(ConfigurationError, match=f"device must be one .*{device}"):
        Constant(device=device)
