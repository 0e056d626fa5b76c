"""Running the layers of a network: by torch or by the kernels, with or without checkpointing."""

from __future__ import annotations

from functools import partial
from operator import call
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lit_causalmix.backbones.native.functions import Update


class Network(Protocol):
    """A network of layers that have `forward` and `forward_native`."""

    layers: nn.ModuleList
    native: bool
    activation_checkpointing: bool


def through_layers(network: Network, cells: Tensor, n_context: int) -> Tensor:
    """What the layers make of the cells, the last one told that it is.

    The kernels take float32 weights of plain maps and norms on a CPU; with others (an adapter's
    parts, say) torch computes.
    """
    if network.native and _take_kernels(network.layers):
        return _by_kernels(network, cells.float(), n_context)
    for i, layer in enumerate(network.layers, start=1):
        last = i == len(network.layers)
        if network.activation_checkpointing and torch.is_grad_enabled():
            cells = checkpoint(layer, cells, n_context, last, use_reentrant=False)
        else:
            cells = layer(cells, n_context, last)
    return cells


def _take_kernels(layers: nn.Module) -> bool:
    """Whether the layers are what the kernels read: an adapter's parts have a weight, too."""
    parts = [module for module in layers.modules() if hasattr(module, "weight")]
    return all(
        type(part) in (nn.Linear, nn.LayerNorm)
        and part.weight.device.type == "cpu"
        and part.weight.dtype == torch.float32
        for part in parts
    )


def _by_kernels(network: Network, cells: Tensor, n_context: int) -> Tensor:
    save = network.activation_checkpointing and torch.is_grad_enabled()
    run = partial(checkpoint, use_reentrant=False) if save else call
    update: Update | None = None
    for i, module in enumerate(network.layers, start=1):
        layer: Any = module
        cells, update = run(
            layer.forward_native, cells, update, n_context, i == len(network.layers)
        )
    return cells if update is None else cells + update[0] + update[1]
