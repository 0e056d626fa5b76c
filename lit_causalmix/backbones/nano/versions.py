"""The generations of the embedded model: which weights the package carries, and of what kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from lit_causalmix.backbones.axial import AxialTransformer
from lit_causalmix.backbones.folder import WEIGHTS_FILE
from lit_causalmix.backbones.tab2d import Tab2D

Half = Tab2D | AxialTransformer
"""A network of one kind of task."""

HALVES: Mapping[str, str] = {"classifier": "classification", "regressor": "regression"}
"""Attribute of the model -> the kind of task that it is for."""


@dataclass(frozen=True)
class Version:
    """One generation.

    Attributes:
        name: Of its folders, before "-classification" and "-regression".
        kind: Architecture of both halves.
        n_ensemble: Views that it averages unless told otherwise.
        classes: Classes that the classifier knows.
    """

    name: str
    kind: type[Half]
    n_ensemble: int
    classes: int = 10

    def folder(self, task: str) -> Path:
        """The folder with `config.json` and `model.safetensors` for a kind of task."""
        return Path(str(files("lit_causalmix.backbones"))) / "embedded" / f"{self.name}-{task}"

    def load(self, task: str, **options: Any) -> Half:
        """The pre-trained network for a kind of task; `options` are its class's."""
        return self.kind.from_pretrained(self.folder(task), **options)

    def tensors(self, task: str) -> dict[str, Tensor]:
        """The weights as a loaded network has them, without building it: files may be float16."""
        return {k: v.float() for k, v in load_file(self.folder(task) / WEIGHTS_FILE).items()}


VERSIONS: Mapping[int, Version] = {
    1: Version("nano", Tab2D, n_ensemble=4),
    2: Version("nano2", AxialTransformer, n_ensemble=2),
    3: Version("nano3", AxialTransformer, n_ensemble=1),
}
LATEST = max(VERSIONS)


def embedded_weights(task: str, version: int = LATEST) -> Path:
    """The folder that the package carries for a kind of task.

    Args:
        task: "classification" or "regression".
        version: Of the embedded model.
    """
    return VERSIONS[version].folder(task)
