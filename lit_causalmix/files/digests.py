"""Digests of what fits are made of: files, arrays, JSON values and the weights of a module.

The digests stand in names of cache entries and in keys of published results: what they are taken
over never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn


def of_parts(parts: Iterable[str | bytes | memoryview]) -> str:
    """SHA-256 over parts one behind the other, text as UTF-8; none needs to be kept.

    Example:
        >>> of_parts(["a", b"b"]) == of_parts([b"ab"])
        True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def number_of(text: str) -> int:
    """A number below 2^64 that stands for a text, lone surrogates included.

    Example:
        >>> number_of("a") == number_of("a") != number_of("b")
        True
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def of_json(content: object) -> str:
    """SHA-256 over JSON values, whatever the order of their keys.

    Example:
        >>> of_json({"a": 1, "b": [2]}) == of_json({"b": [2], "a": 1})
        True
    """
    return of_parts([json.dumps(content, sort_keys=True)])


def of_file(path: Path) -> str:
    """SHA-256 over the bytes of a file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_array(values: NDArray[Any]) -> str:
    """SHA-256 over the values of an array in C order; its type and shape do not count."""
    return of_parts([array_bytes(values)])


def array_bytes(values: NDArray[Any]) -> bytes:
    """The values of an array in C order."""
    return np.ascontiguousarray(values).tobytes()


def of_module(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of all weights of a module."""
    return of_tensors(module.state_dict())


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The digest of the module whose `state_dict` holds these tensors, in whatever order."""
    parts = (tensor_parts(name, value) for name, value in sorted(tensors.items()))
    return of_parts(chain.from_iterable(parts))


def tensor_parts(name: str, value: Tensor) -> Iterator[str | memoryview]:
    """What of a named tensor goes into a digest: name, type, shape and values."""
    import torch

    tensor = value.detach().cpu().contiguous()
    yield f"{name}{tensor.dtype}{tuple(tensor.shape)}"
    yield tensor.reshape(-1).view(torch.uint8).numpy().data
