"""What tells the weights of two networks apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def weights_checksum(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of all weights, in hexadecimal."""
    return tensors_checksum(module.state_dict())


def tensors_checksum(tensors: Mapping[str, Tensor]) -> str:
    """The checksum of the module whose `state_dict` holds these tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
