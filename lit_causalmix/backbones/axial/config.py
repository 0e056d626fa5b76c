"""Sizes of an axial transformer, and its weights as a folder with JSON and safetensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lit_causalmix.backbones.folder import CONFIG_FILE, read_settings
from lit_causalmix.errors import WeightsError

ARCHITECTURE = "axial-gelu"
"""Weights of "axial" were trained with rectifiers, which die (docs/pretraining.md)."""


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
    path, data = folder / CONFIG_FILE, read_settings(folder)
    names = [field.name for field in fields(AxialConfig)]
    if data.get("architecture") != ARCHITECTURE or not set(names) <= data.keys():
        raise WeightsError(
            f'{path} is no axial transformer: it must hold "architecture": "{ARCHITECTURE}" and '
            f"{', '.join(names)}"
        )
    config = AxialConfig(**{name: data[name] for name in names})
    if problem := config.problem():
        raise WeightsError(f"{path}: {problem}")
    return config
