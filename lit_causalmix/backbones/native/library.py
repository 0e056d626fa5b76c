"""Compiling the kernels: once per process and kind, into a folder that is gone afterwards."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

from lit_causalmix.errors import ConfigurationError

WIDTH = 16
"""Floats of a vector: what widths must be multiples of."""

MOST_TILE_KEYS = 2 * WIDTH
"""Keys of a tile of attention, where there are more than `WIDTH`."""

_SOURCES = ("activation.c", "attention.c", "norm.c")
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_WIDE = "-mprefer-vector-width=512"  # for x86 alone


def compiler() -> str:
    """The C compiler: `CC`, cc, gcc or clang.

    Raises:
        ConfigurationError: If there is none.
    """
    names = [os.environ.get("CC"), "cc", "gcc", "clang"]
    for name in filter(None, names):
        if found := shutil.which(name):
            return found
    raise ConfigurationError(
        "native kernels need a C compiler and none of $CC, cc, gcc, clang is there: install one, "
        "or set the backbone's native to false"
    )


def check(model: str, dim: int, attention_dim: int, n_heads: int) -> None:
    """Refuses widths that the kernels do not take, and a machine without a compiler.

    Args:
        model: Name of the model, for the message.
        dim: Width of a cell.
        attention_dim: Width of attention.
        n_heads: Its heads.

    Raises:
        ConfigurationError: With the rule and the numbers.
    """
    if dim % WIDTH or attention_dim % (WIDTH * n_heads):
        raise ConfigurationError(
            f"{model}: native kernels need cells and heads whose widths are multiples of {WIDTH}, "
            f"got cells of {dim} and {n_heads} heads in {attention_dim}"
        )
    compiler()


def kernels(dtype: torch.dtype, head_dim: int = WIDTH, n_keys: int = MOST_TILE_KEYS) -> ctypes.CDLL:
    """The kernels for rows of a kind and heads of a width; the first call takes some seconds.

    Args:
        dtype: float32 or bfloat16, what rows hold; sums are float32.
        head_dim: Width of a head, a multiple of `WIDTH`.
        n_keys: Keys that a query asks; some are computed in smaller tiles.

    Raises:
        ConfigurationError: For another dtype, or if there is no C compiler or it fails.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        raise ConfigurationError(
            f"native kernels compute in float32 or bfloat16, not in {dtype}: set the trainer's "
            "precision to 32-true or bf16-mixed, or the backbone's native to false"
        )
    tile_keys = WIDTH if n_keys <= WIDTH else MOST_TILE_KEYS
    return _compiled(int(dtype == torch.bfloat16), head_dim, tile_keys)


@cache
def _compiled(bf16: int, head_dim: int, tile_keys: int) -> ctypes.CDLL:
    here = Path(__file__).parent
    sources = [str(here / name) for name in _SOURCES]
    kind = [f"-DBF16={bf16}", f"-DD={head_dim}", f"-DKEYS={tile_keys}"]
    wide = [_WIDE] if platform.machine() == "x86_64" else []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "kernels.so")
        command = [compiler(), *_FLAGS, *wide, *kind, *sources, "-o", str(target), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = done.stderr.splitlines()
            first = next((line for line in errors if "error" in line), " ".join(errors[:1]))
            raise ConfigurationError(
                f"native kernels: {command[0]} fails ({first}): set CC to another compiler, or the "
                "backbone's native to false"
            )
        return ctypes.CDLL(str(target))
