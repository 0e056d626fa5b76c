"""A model's folder: `config.json` and `model.safetensors`, each there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from lit_causalmix.errors import WeightsError
from lit_causalmix.files import digests
from lit_causalmix.files.atomic import replacing, write_json
from lit_causalmix.files.reading import parse_json

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_CHECKSUM = "sha256"  # in the metadata, which official code does not read


def read_settings(folder: Path) -> dict[str, Any]:
    """Reads `config.json`, a mapping.

    Raises:
        WeightsError: If it is missing, cut, or holds no mapping.
    """
    path = folder / CONFIG_FILE
    try:
        settings = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: the weights of a model need it") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(settings, dict):
        raise WeightsError(f"{path} is no configuration of a model: it must hold a mapping")
    return settings


def read_weights(folder: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Reads `model.safetensors` and checks every name and shape.

    Args:
        folder: The model's folder.
        expected: Tensors of the shapes wanted (on any device, also meta).

    Raises:
        WeightsError: If the file is missing, cut or incompatible, holds a NaN or an infinity, or
            not the values that were written, where it says which (files written here do).
    """
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
        with safe_open(path, framework="pt") as file:
            noted = (file.metadata() or {}).get(_CHECKSUM)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: the weights of a model need it") from error
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
    if noted is not None and noted != digests.of_tensors(weights):
        raise WeightsError(f"{path} is damaged: its weights are not those that were written")
    return weights


def origin_of(weights: str | None) -> dict[str, str]:
    """Where weights come from (`Backbone.origin`), given the folder or hub id; None is random."""
    if weights is None:
        return {"weights": "random", "licence": "none: nothing was pre-trained"}
    folder = Path(weights).expanduser()
    name = folder.name if folder.is_absolute() else weights  # no places of this machine
    return {"weights": name, "licence": f"that of {name}"}


def write(
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes a model's folder; an interruption leaves each old file or the new one, never half."""
    target = Path(folder)
    data = {k: v.detach().to(dtype=dtype, device="cpu").contiguous() for k, v in weights.items()}
    with replacing(target / WEIGHTS_FILE) as scratch:
        save_file(data, scratch, metadata={"format": "pt", _CHECKSUM: digests.of_tensors(data)})
    write_json(target / CONFIG_FILE, settings)
