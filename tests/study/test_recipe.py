"""A cell's key leaves defaults out, so that a changed default has to change `RECIPE`."""

import inspect
import json
import os
from pathlib import Path
from typing import Any

import yaml

from lit_causalmix import backbones, generators
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.generators import Generator
from lit_causalmix.study.grid import WRITERS
from lit_causalmix.study.identity import RECIPE
from lit_causalmix.training.task import CausalMixTask

REFERENCE = Path(__file__).parents[1] / "reference" / "defaults.json"
CONFIGS = Path(__file__).parents[2] / "configs"
RENEW = "RENEW_REFERENCE"


def defaults() -> dict[str, str]:
    """Every default that decides what a fit computes, as text."""
    kinds: list[type[Any]] = [CausalMixDataModule, CausalMixTask]
    kinds += [backbones.Nano, backbones.TabPFNV1]
    kinds += [getattr(generators, n) for n in generators.__all__ if n != Generator.__name__]
    found = {
        f"{kind.__name__}.{name}": repr(parameter.default)
        for kind in kinds
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not parameter.empty
        and not callable(parameter.default)
        and name not in ("progress", "num_workers", "pin_memory", "cache_dir")
    }
    content = yaml.safe_load((CONFIGS / "default.yaml").read_text(encoding="utf-8"))
    trainer = content["trainer"]
    del trainer["logger"]
    trainer["callbacks"] = [
        callback
        for callback in trainer["callbacks"]
        if callback["class_path"].rpartition(".")[2] not in WRITERS  # no part of a cell
    ]
    return found | {f"default.yaml {part}": json.dumps(value) for part, value in content.items()}


def test_no_default_has_changed_without_the_recipe() -> None:
    present = defaults()
    if os.environ.get(RENEW):
        REFERENCE.write_text(json.dumps({"recipe": RECIPE, "defaults": present}, indent=1) + "\n")
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    then = reference["defaults"]
    changed = {n: (then[n], present.get(n)) for n in then if present.get(n) != then[n]}
    assert not changed or reference["recipe"] < RECIPE, (
        f"raise study.identity.RECIPE, as {changed} changed what cells of the same key compute"
    )
    assert (reference["recipe"], then) == (RECIPE, present), (
        f"the reference is of an earlier state: run this test with {RENEW}=1"
    )
