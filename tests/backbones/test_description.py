"""Backbones in JSON: what is kept, and what is refused when it is read again."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import ManyClasses, Tab2D
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.backbones.bins import bin_quantiles
from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, ModelError


class Own(Backbone):
    """A backbone of somebody else; `wide` is kept, `scale` is a weight."""

    def __init__(self, wide: int = 2, scale: float = 1.0) -> None:
        super().__init__()
        self.wide = wide
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    @property
    def limits(self) -> Limits:
        return Limits(classes=2)

    def forward(self, episode: Episode) -> Tensor:
        return self.scale * torch.zeros(episode.n_query, episode.n_classes)


class Forgetful(Own):
    def __init__(self, lost: int = 1) -> None:
        super().__init__()


def test_arguments_are_attributes_and_tensors_come_with_the_weights() -> None:
    assert Own(wide=3, scale=2.0).arguments() == {"wide": 3}
    with pytest.raises(ConfigurationError, match="has no attribute 'lost'"):
        Forgetful().arguments()


def test_an_argument_that_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be described in JSON"):
        described(Own(wide=torch.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["os.system", "lit_causalmix.episode.Episode", "subprocess.Popen"])
def test_what_is_no_backbone_is_not_called(path: str) -> None:
    with pytest.raises(ModelError, match="is no backbone"):
        rebuilt({"class": path, "arguments": {}})


def foreign_module(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes a module with a backbone `Mine` where it can be imported from."""
    source = "from lit_causalmix.backbones import Tab2D\nclass Mine(Tab2D):\n    pass\n"
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)


def test_a_module_from_outside_is_imported_only_when_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_module("module_of_a_stranger", tmp_path, monkeypatch)
    kept = described(Tab2D(dim=8, n_layers=1)) | {"class": "module_of_a_stranger.Mine"}
    with pytest.raises(ModelError, match="comes from outside this package"):
        rebuilt(kept)
    assert "module_of_a_stranger" not in sys.modules
    assert type(rebuilt(kept, own_code=True)).__name__ == "Mine"
    monkeypatch.delitem(sys.modules, "module_of_a_stranger")


def test_what_is_allowed_holds_for_a_backbone_within_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_module("module_within_another", tmp_path, monkeypatch)
    kept = described(ManyClasses(Tab2D(dim=8, n_layers=1)))
    kept["arguments"]["backbone"]["class"] = "module_within_another.Mine"
    for refused in ({}, {"own_code": False}):
        with pytest.raises(ModelError, match="comes from outside this package"):
            rebuilt(kept, **refused)
    found = rebuilt(kept, own_code=True)
    assert isinstance(found, ManyClasses)
    assert type(found.backbone).__name__ == "Mine"
    monkeypatch.delitem(sys.modules, "module_within_another")
    with pytest.raises(ModelError, match="comes from outside this package"):
        rebuilt(kept)


def test_modules_of_this_package_without_backbones_are_not_imported() -> None:
    for path in ("lit_causalmix.__main__.Nano", "lit_causalmix.study.checksums.Nano"):
        before = path.rpartition(".")[0] in sys.modules
        with pytest.raises(ModelError, match="is no backbone"):  # `__main__` runs a command
            rebuilt({"class": path, "arguments": {}})
        assert (path.rpartition(".")[0] in sys.modules) == before


def test_weights_from_elsewhere_are_not_read(tmp_path: Path) -> None:
    small = Tab2D(dim=8, n_layers=1)
    small.save_pretrained(tmp_path)
    for kept in (described(small), described(ManyClasses(small))):
        inner = kept["arguments"].get("backbone", kept)
        for place in (str(tmp_path), "owner/repository"):
            inner["arguments"]["weights"] = place
            with pytest.raises(ModelError, match=f"names others for Tab2D: '{place}'"):
                rebuilt(kept)
        inner["arguments"]["weights"] = None
        rebuilt(kept)


@pytest.mark.parametrize("path", ["lit_causalmix.backbones.Gone", "lit_causalmix.gone.Tab2D", "X"])
def test_a_class_that_is_gone_is_named(path: str) -> None:
    with pytest.raises(ModelError, match=path):
        rebuilt({"class": path, "arguments": {}})


def test_arguments_of_another_version_are_refused() -> None:
    kept = described(Tab2D(dim=8, n_layers=1))
    kept["arguments"]["unheard_of"] = 1
    with pytest.raises(ModelError, match="unheard_of"):
        rebuilt(kept)


def test_quantiles_lie_within_their_bins() -> None:
    edges = torch.tensor([0.0, 1.0, 3.0, 4.0])
    logits = torch.tensor([[0.2, 0.6, 0.2]]).log()
    levels = torch.tensor([0.1, 0.2, 0.5, 0.9])
    expected = torch.tensor([[0.5, 1.0, 2.0, 3.5]])
    torch.testing.assert_close(bin_quantiles(logits, edges, levels), expected)
