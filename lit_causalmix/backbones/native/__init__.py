"""Kernels in C for training small models on a CPU, compiled on the machine that asks for them."""

from lit_causalmix.backbones.native.functions import (
    Update,
    add_norm,
    attend,
    mlp,
    product_dtype,
    projected,
)
from lit_causalmix.backbones.native.layers import through_layers
from lit_causalmix.backbones.native.library import check

__all__ = [
    "Update",
    "add_norm",
    "attend",
    "check",
    "mlp",
    "product_dtype",
    "projected",
    "through_layers",
]
