"""Tab2D weights in the official format: a folder with `config.json` and `model.safetensors`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lit_causalmix.errors import WeightsError
from lit_causalmix.files.atomic import replacing, write_json

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
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
        source: A folder, used without any network access, or a hub id such as
            "autogluon/mitra-classifier", downloaded once through `huggingface_hub`.

    Raises:
        WeightsError: If there is neither, or the download fails.
    """
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
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise WeightsError(
            f"no folder {hub_id}, and fetching it from the hub needs huggingface_hub: "
            "pip install 'lit-causalmix[hub]', or name a local folder"
        ) from error
    try:
        # The weights first: the folder returned is the one snapshot that holds both.
        hf_hub_download(hub_id, WEIGHTS_FILE)
        return Path(hf_hub_download(hub_id, CONFIG_FILE)).parent
    except Exception as error:  # the hub client raises errors of several libraries
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"no folder {hub_id}, and the hub download failed ({reason[0]}): check the id and the "
            "network, or name a local folder"
        ) from error


def read_config(folder: Path) -> Tab2DConfig:
    """Reads and checks `config.json`.

    Raises:
        WeightsError: If it is missing, cut, or not a Tab2D configuration.
    """
    path = folder / CONFIG_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: Tab2D weights need it") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    names = Tab2DConfig.__dataclass_fields__
    if not isinstance(data, dict) or not names.keys() <= data.keys():
        raise WeightsError(f"{path} is no Tab2D configuration: it must hold {', '.join(names)}")
    config = Tab2DConfig(**{name: data[name] for name in names})
    if problem := config.problem():
        raise WeightsError(f"{path}: {problem}")
    return config


def read_weights(folder: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Reads `model.safetensors` and checks every name and shape.

    Args:
        folder: The model's folder.
        expected: Tensors of the shapes wanted (on any device, also meta).

    Raises:
        WeightsError: If the file is missing, cut or incompatible, or holds a NaN or an infinity.
    """
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: Tab2D weights need it") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is cut or no safetensors file: {error}") from error
    different = sorted(expected.keys() ^ weights.keys())
    if different:
        kind = "lacks" if different[0] in expected else "holds unexpected"
        raise WeightsError(
            f"{path} does not fit its {CONFIG_FILE}: it {kind} {different[0]!r} "
            f"({len(different)} names differ)"
        )
    for name, tensor in expected.items():
        if weights[name].shape != tensor.shape:
            raise WeightsError(
                f"{path} does not fit its {CONFIG_FILE}: {name!r} has shape "
                f"{tuple(weights[name].shape)}, expected {tuple(tensor.shape)}"
            )
        if not torch.isfinite(weights[name]).all():
            raise WeightsError(f"{path}: {name!r} holds values that are not finite")
    return weights


def write(folder: str | os.PathLike[str], config: Tab2DConfig, weights: dict[str, Tensor]) -> None:
    """Writes a model's folder; an interruption leaves each old file or the new one, never half."""
    target = Path(folder)
    data: dict[str, Any] = {k: v.detach().float().cpu().contiguous() for k, v in weights.items()}
    with replacing(target / WEIGHTS_FILE) as scratch:
        save_file(data, scratch, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, vars(config))
