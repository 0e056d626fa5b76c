"""Weights of TabICL: read from the official format, made at random, written again.

An official file is a dictionary with "config" and "state_dict", read without unpickling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_causalmix.backbones.extras import needed
from lit_causalmix.errors import WeightsError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.seeding import derived_seed


@dataclass(frozen=True)
class TabICLSizes:
    """Sizes of a randomly initialised TabICL; the defaults are those of the package.

    Attributes:
        dim: Width of a column's or row's embedding.
        n_heads: Attention heads, in all three parts; divides dim.
        n_column_layers: Layers of the embedding of columns.
        n_row_layers: Layers of the interaction within rows.
        n_context_layers: Layers of in-context learning.
        n_inducing: Inducing points of the embedding of columns.
        n_summaries: Summaries of a row, each of width dim.
        n_classes: Outputs of a classifier.
        n_quantiles: Outputs of a regressor.
    """

    dim: int = 128
    n_heads: int = 8
    n_column_layers: int = 3
    n_row_layers: int = 3
    n_context_layers: int = 12
    n_inducing: int = 128
    n_summaries: int = 4
    n_classes: int = 10
    n_quantiles: int = 999

    def config(self, *, regression: bool) -> dict[str, Any]:
        """The package's settings of these sizes, with TabICL v2's way to start."""
        return {
            "max_classes": 0 if regression else self.n_classes,
            "num_quantiles": self.n_quantiles,
            "embed_dim": self.dim,
            "col_num_blocks": self.n_column_layers,
            "col_nhead": self.n_heads,
            "col_num_inds": self.n_inducing,
            "row_num_blocks": self.n_row_layers,
            "row_nhead": self.n_heads,
            "row_num_cls": self.n_summaries,
            "row_rope_interleaved": False,
            "icl_num_blocks": self.n_context_layers,
            "icl_nhead": self.n_heads,
            "zero_init": False,
        }


def random_network(config: dict[str, Any], seed: int) -> nn.Module:
    """A network with random weights that depend on the seed alone.

    They are the package's, but for matrices that it starts at zero: those are normal with variance
    1 / columns, so that every parameter takes part from the start [our choice].
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(derived_seed(seed, "tabicl"))
        network = _network(config)
        for parameter in network.parameters():
            if parameter.ndim == 2 and not parameter.any():
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return network


def _network(config: dict[str, Any]) -> nn.Module:
    try:
        network: nn.Module = needed("tabicl._model.tabicl", extra="tabicl").TabICL(**config)
    except TypeError as error:
        raise WeightsError(f"the installed tabicl does not know these settings: {error}") from error
    return network


def read(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Builds the network of an official file; returns its settings beside it.

    Raises:
        WeightsError: If the file is missing, cut, or holds anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        config, tensors = dict(content["config"]), dict(content["state_dict"])
    except Exception as error:  # weights_only raises UnpicklingError, cut archives others
        raise WeightsError(f"{path} is cut or no file of TabICL weights: {error!r:.200}") from error
    with torch.random.fork_rng(devices=[]):  # its initialisation draws from the global generator
        network = _network(config)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{path} does not fit its settings: {reason}") from error
    return network, config


def write(path: Path, network: nn.Module, config: dict[str, Any]) -> None:
    """Writes the official format, which `TabICLRegressor(model_path=…)` takes."""
    tensors = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
    with replacing(path) as scratch:
        torch.save({"config": config, "state_dict": tensors}, scratch)
