"""Sizes of an axial transformer, and its weights as a folder with JSON and safetensors."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from lit_causalmix.backbones.tab2d.files import CONFIG_FILE, WEIGHTS_FILE
from lit_causalmix.errors import WeightsError

ARCHITECTURE = "axial"


@dataclass(frozen=True)
class AxialConfig:
    """Sizes and task.

    Attributes:
        dim: Width of a cell.
        attention_dim: Width of attention, a multiple of `n_heads`.
        n_heads: Attention heads.
        n_layers: Number of layers.
        mlp_factor: Width of the MLP in units of `dim`.
        n_outputs: Most classes, or number of bins.
        task: "classification" or "regression".
    """

    dim: int
    attention_dim: int
    n_heads: int
    n_layers: int
    mlp_factor: int
    n_outputs: int
    task: str

    def problem(self) -> str | None:
        """Returns what is wrong with the settings, or None."""
        sizes = {name: value for name, value in asdict(self).items() if name != "task"}
        for name, value in sizes.items():
            if type(value) is not int or value < 1:
                return f"{name} must be an integer >= 1, got {value!r}"
        if self.attention_dim % self.n_heads:
            return (
                f"attention_dim must be a multiple of n_heads, got {self.attention_dim} and "
                f"{self.n_heads}"
            )
        if self.task not in ("classification", "regression"):
            return f"task must be classification or regression, got {self.task!r}"
        if self.n_outputs < 2:
            return f"n_outputs must be >= 2 (classes or bins), got {self.n_outputs}"
        return None


def read_config(folder: Path) -> AxialConfig:
    """Reads and checks `config.json`.

    Raises:
        WeightsError: If it is missing, cut, or of another architecture.
    """
    path = folder / CONFIG_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: the weights of a model need it") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    names = [field.name for field in fields(AxialConfig)]
    found = data.get("architecture") if isinstance(data, dict) else None
    if found != ARCHITECTURE or not set(names) <= data.keys():
        raise WeightsError(
            f'{path} is no axial transformer: it must hold "architecture": "{ARCHITECTURE}" and '
            f"{', '.join(names)}"
        )
    config = AxialConfig(**{name: data[name] for name in names})
    if problem := config.problem():
        raise WeightsError(f"{path}: {problem}")
    return config


def write(
    folder: str | os.PathLike[str],
    config: AxialConfig,
    weights: dict[str, Tensor],
    dtype: torch.dtype,
) -> None:
    """Writes a model's folder; an interruption leaves each old file or the new one, never half."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    data = {k: v.detach().to(dtype=dtype, device="cpu").contiguous() for k, v in weights.items()}
    partial = target / f"{WEIGHTS_FILE}.partial"
    save_file(data, partial, metadata={"format": "pt"})
    partial.replace(target / WEIGHTS_FILE)
    text = json.dumps({"architecture": ARCHITECTURE, **asdict(config)})
    partial = target / f"{CONFIG_FILE}.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(target / CONFIG_FILE)
