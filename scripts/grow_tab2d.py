"""Makes a Tab2D deeper and its regression head binned without changing what it computes.

    python scripts/grow_tab2d.py --weights FOLDER --layers 4 --bins 128 --out FOLDER

The result is a start for further pre-training (`backbone.weights` of configs/pretrain): new layers
begin as copies of their neighbour whose outputs are zero, so that they pass their input on, and the
logits of the bins are those of a normal density around the former output. Regression then agrees up
to the width of a bin, classification to rounding.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from lit_causalmix.backbones import Tab2D
from lit_causalmix.backbones.tab2d.preprocessing import bin_edges
from lit_causalmix.errors import ConfigurationError, LitCausalMixError

RESIDUAL_OUTPUTS = ("attention1.o", "linear2", "attention2.o", "linear4")
"""The maps of a layer whose outputs are added to its input."""

DENSITY_WIDTH = 0.08
"""Standard deviation of the first density over bins, in units of the context targets' range."""


def grown(model: Tab2D, *, n_layers: int, n_bins: int | None = None) -> Tab2D:
    """Returns a deeper model, for regression with bins instead of one output.

    Args:
        model: The model to start from.
        n_layers: Number of layers, at least the model's.
        n_bins: Number of bins; None keeps the head.

    Raises:
        ConfigurationError: If there would be fewer layers, or a head that cannot be binned.
    """
    old = model.config
    if n_layers < old.n_layers:
        raise ConfigurationError(f"n_layers must be >= {old.n_layers}, got {n_layers}")
    if n_bins is not None and (old.task != "REGRESSION" or old.dim_output != 1):
        raise ConfigurationError("only a regression head with one output can be binned")
    state = _deeper(model.network.state_dict(), old.n_layers, n_layers)
    if n_bins is not None:
        state = _binned(state, n_bins)
    task: Literal["classification", "regression"] = (
        "regression" if old.task == "REGRESSION" else "classification"
    )
    new = Tab2D(old.dim, n_layers, old.n_heads, n_bins or old.dim_output, task)
    new.network.load_state_dict(state)
    return new


def _deeper(state: dict[str, Tensor], n_old: int, n_new: int) -> dict[str, Tensor]:
    """Puts silent copies of the last layer but one after it; the last layer stays the last."""
    source = max(n_old - 2, 0)
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith("layers."):
            found[name] = value
            continue
        _, number, part = name.split(".", 2)
        i = int(number)
        found[f"layers.{i if i <= source else i + n_new - n_old}.{part}"] = value
        if i == source:
            silent = part.rsplit(".", 1)[0] in RESIDUAL_OUTPUTS
            copy = torch.zeros_like(value) if silent else value
            found |= {f"layers.{i + k}.{part}": copy for k in range(1, n_new - n_old + 1)}
    return found


def _binned(state: dict[str, Tensor], n_bins: int) -> dict[str, Tensor]:
    """Embeds a bin as its middle was; logits are -(middle - output)² / (2 width²) + a constant."""
    edges = bin_edges(n_bins, torch.device("cpu"))
    middle = (edges[:-1] + edges[1:]) / 2
    key = "y_embedding.y_embedding"
    weight, bias = state["final_layer.weight"], state["final_layer.bias"]
    found = {name: value for name, value in state.items() if not name.startswith(key)}
    found[f"{key}.weight"] = middle[:, None] * state[f"{key}.weight"].T + state[f"{key}.bias"]
    found["final_layer.weight"] = middle[:, None] * weight / DENSITY_WIDTH**2
    found["final_layer.bias"] = (middle * bias - middle.square() / 2) / DENSITY_WIDTH**2
    return found


def main() -> None:
    """Reads the command line and writes the grown model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, required=True, help="folder to start from")
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--bins", type=int, help="bins of a regression head; default: as it is")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    try:
        model = Tab2D.from_pretrained(arguments.weights)
        grown(model, n_layers=arguments.layers, n_bins=arguments.bins).save_pretrained(
            arguments.out
        )
    except LitCausalMixError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
