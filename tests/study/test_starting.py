"""What a fit starts from: default.yaml, and what the backbone that was asked for recommends."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix import backbones
from lit_causalmix.backbones import Backbone, Nano
from lit_causalmix.configuration import config_folder
from lit_causalmix.estimators.configuration import fit_settings
from lit_causalmix.study.starting import starting_files, starting_fragment


def named(*pieces: dict[str, Any]) -> list[str]:
    return [str(path.relative_to(config_folder())) for path in starting_files(*pieces)]


def of(backbone: Any) -> dict[str, Any]:
    return {"model": {"backbone": backbone}}


NANO = ["default.yaml", "finetune/nano.yaml"]
V2 = ["default.yaml", "finetune/mitra-v2.yaml"]


def test_the_default_backbone_is_nano() -> None:
    assert named() == named({}, {"model": None}, of(None)) == named(of("Nano")) == NANO


@pytest.mark.parametrize("path", ["MitraV2", "lit_causalmix.backbones.MitraV2"])
def test_a_backbone_is_known_by_its_short_and_its_whole_name(path: str) -> None:
    assert named(of(path)) == named(of({"class_path": path, "init_args": {"dim": 16}})) == V2


def test_the_last_named_backbone_counts_whatever_is_said_of_its_arguments() -> None:
    pieces = of("Nano"), of({"class_path": "MitraV2"}), of({"init_args": {"dim": 16}})
    assert named(*pieces) == V2
    assert named(*pieces, of("TabPFNV1")) == ["default.yaml"]


def test_a_wrapper_starts_from_what_the_backbone_within_recommends() -> None:
    wrapped = {"class_path": "ManyClasses", "init_args": {"backbone": {"class_path": "MitraV2"}}}
    assert named(of(wrapped)) == V2
    assert named(of({"class_path": "ManyClasses"})) == ["default.yaml"]


@pytest.mark.parametrize("path", ["Nothing", "no.such.Thing", "torch.nn.Linear", "os.system", "."])
def test_what_is_no_backbone_is_left_to_the_parser(path: str) -> None:
    assert named(of(path)) == ["default.yaml"]


@pytest.mark.parametrize("name", [n for n in backbones.__all__ if n != "Limits"])
def test_what_a_packaged_backbone_recommends_is_a_packaged_configuration(name: str) -> None:
    kind = getattr(backbones, name)
    assert issubclass(kind, Backbone)
    if kind.recommended is not None:
        content = yaml.safe_load((config_folder() / f"{kind.recommended}.yaml").read_text())
        assert content["model"]["optimizer"]["init_args"]["lr"] > 0


def rate(settings: dict[str, Any]) -> float:
    found: float = settings["model"]["optimizer"]["init_args"]["lr"]
    return found


def test_estimators_start_from_it_too(tmp_path: Path) -> None:
    def fit(**changes: Any) -> dict[str, Any]:
        common: dict[str, Any] = {
            "method": "causalmixft",
            "backbone": None,
            "synthetic_ratio": None,
            "max_steps": None,
            "time_limit": None,
            "folds": 1,
            "device": "cpu",
            "seed": 0,
            "verbose": 0,
            "folder": tmp_path,
            "keeps_run": False,
            "table": {"source": "x"},
            "settings": None,
        }
        return fit_settings(**common | changes)

    recommended = rate(starting_fragment())
    assert Nano.recommended is not None
    assert rate(fit()) == recommended != rate(fit(backbone="TabPFNV1"))
    assert rate(fit(backbone="mitra-v2-classifier")) == rate(starting_fragment(of("MitraV2")))
    own = {"model": {"optimizer": {"init_args": {"lr": 0.5}}}}
    assert rate(fit(settings=own)) == 0.5
