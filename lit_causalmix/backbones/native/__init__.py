"""Kernels in C for training small models on a CPU, compiled on the machine that asks for them."""

from lit_causalmix.backbones.native.functions import Update, add_norm, attend, mlp
from lit_causalmix.backbones.native.library import compiler

__all__ = ["Update", "add_norm", "attend", "compiler", "mlp"]
