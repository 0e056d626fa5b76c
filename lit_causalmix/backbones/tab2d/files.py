"""Tab2D weights in the official format: a folder with `config.json` and `model.safetensors`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lit_causalmix.backbones.folder import CONFIG_FILE, WEIGHTS_FILE, read_settings
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights.hub import HUB, hub_file, pulled_folder

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Tab2DConfig:
    """The five official settings, in the order of the official file.

    Attributes:
        dim: Width of the embedding, a multiple of `n_heads`.
        dim_output: Most classes; for regression 1 (a number) or the number of bins.
        n_layers: Number of layers.
        n_heads: Attention heads.
        task: "CLASSIFICATION" or "REGRESSION".
    """

    dim: int
    dim_output: int
    n_layers: int
    n_heads: int
    task: str

    def problem(self) -> str | None:
        """Returns what is wrong with the settings, or None."""
        sizes = {k: v for k, v in vars(self).items() if k != "task"}
        if any(type(v) is not int or v < 1 for v in sizes.values()):
            return f"sizes are integers >= 1, got {sizes}"
        if self.dim % self.n_heads:
            return f"dim must be a multiple of n_heads, got {self.dim} and {self.n_heads}"
        if self.task not in ("CLASSIFICATION", "REGRESSION"):
            return f"task is CLASSIFICATION or REGRESSION, got {self.task!r}"
        if self.task == "CLASSIFICATION" and self.dim_output < 2:
            return f"classification needs dim_output >= 2, got {self.dim_output}"
        return None


def locate(source: str | os.PathLike[str]) -> Path:
    """Returns the local folder of a model.

    Args:
        source: A folder, used without any network access, the name of pulled weights, or a hub id
            such as "autogluon/mitra-classifier", downloaded once through `huggingface_hub`.

    Raises:
        WeightsError: If there is neither, or the download fails.
    """
    if str(source) in HUB:
        return pulled_folder(HUB[str(source)])
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise WeightsError(
            f"Tab2D weights are a folder with {CONFIG_FILE} and {WEIGHTS_FILE}; {folder} is a "
            "file: name the folder that holds it"
        )
    if not _HUB_ID.fullmatch(str(source)):
        raise WeightsError(f"no Tab2D weights at {folder}: no such folder, and not a hub id")
    return _download(str(source))


def _download(hub_id: str) -> Path:
    # The weights first: the folder returned is the one snapshot that holds both.
    hub_file(f"{hub_id}/{WEIGHTS_FILE}")
    found = hub_file(f"{hub_id}/{CONFIG_FILE}")
    if found is None:
        raise WeightsError(f"no folder {hub_id}, and not a hub id")
    return found.parent


def read_config(folder: Path) -> Tab2DConfig:
    """Reads and checks `config.json`.

    Raises:
        WeightsError: If it is missing, cut, or not a Tab2D configuration.
    """
    path, data = folder / CONFIG_FILE, read_settings(folder)
    names = Tab2DConfig.__dataclass_fields__
    if not names.keys() <= data.keys():
        raise WeightsError(f"{path} is no Tab2D configuration: it must hold {', '.join(names)}")
    config = Tab2DConfig(**{name: data[name] for name in names})
    if problem := config.problem():
        raise WeightsError(f"{path}: {problem}")
    return config
