"""Writes nested frozen dataclasses of arrays as JSON and safetensors, and reads them back.

Nothing is unpickled: JSON says which of the classes that the caller names stands where, and
safetensors holds the arrays. A digest over both makes a cut or altered file an error rather than
a different model.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.files.atomic import write_bytes, write_text
from lit_causalmix.files.digests import of_parts

Arrays = dict[str, NDArray[Any]]


@functools.singledispatch
def pack(value: Any, arrays: Arrays) -> Any:
    """Turns a value into JSON, moving its arrays into `arrays`.

    Takes None, booleans, numbers, strings, tuples, dictionaries with string keys, numpy arrays and
    dataclasses of these; a tuple becomes a list.
    """
    content = {f.name: pack(getattr(value, f.name), arrays) for f in fields(value)}
    return {"class": type(value).__name__, "fields": content}


@pack.register(bool | int | float | str | None)
def _(value: Any, arrays: Arrays) -> Any:  # noqa: ARG001 - nothing to move
    return value


@pack.register(tuple)
def _(value: tuple[Any, ...], arrays: Arrays) -> Any:
    return [pack(v, arrays) for v in value]


@pack.register(dict)
def _(value: dict[str, Any], arrays: Arrays) -> Any:
    return {"dict": {k: pack(v, arrays) for k, v in value.items()}}


@pack.register(np.ndarray)
def _(value: NDArray[Any], arrays: Arrays) -> Any:
    name = str(len(arrays))
    arrays[name] = np.ascontiguousarray(value)
    return {"array": name}


def unpack(packed: Any, arrays: Mapping[str, NDArray[Any]], classes: Mapping[str, type]) -> Any:
    """Reverses `pack`; a list becomes a tuple.

    Raises:
        KeyError: If a class or array is missing.
        TypeError: If the fields of a class differ.
    """
    if isinstance(packed, list):
        return tuple(unpack(v, arrays, classes) for v in packed)
    if not isinstance(packed, dict):
        return packed
    if "array" in packed:
        return arrays[packed["array"]]
    if "dict" in packed:
        return {k: unpack(v, arrays, classes) for k, v in packed["dict"].items()}
    content = {k: unpack(v, arrays, classes) for k, v in packed["fields"].items()}
    return classes[packed["class"]](**content)


def write(folder: Path, name: str, value: Any) -> None:
    """Writes a value as `<name>.json` and `<name>.safetensors` into a folder.

    Raises:
        FileError: If the folder cannot be written.
    """
    from safetensors.numpy import save

    arrays: Arrays = {}
    state = pack(value, arrays)
    tensors = save(arrays)
    write_bytes(folder / f"{name}.safetensors", tensors)
    digest = _digest(state, tensors)
    text = json.dumps({"digest": digest, "state": state}, indent=1)
    write_text(folder / f"{name}.json", text)


def read(folder: Path, name: str, classes: Mapping[str, type]) -> Any:
    """Reads what `write` wrote.

    Raises:
        GeneratorError: If a file is missing, cut or altered.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        tensors = (folder / f"{name}.safetensors").read_bytes()
        state = document["state"]
        if document["digest"] != _digest(state, tensors):
            raise ValueError("the digest does not match the content")
        return unpack(state, load(tensors), classes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise GeneratorError(
            f"{folder / name}.json and .safetensors must hold an unaltered saved state, but: "
            f"{type(error).__name__}: {error}; delete the folder and fit again"
        ) from error


def _digest(state: Any, tensors: bytes) -> str:
    return of_parts([json.dumps(state, sort_keys=True), tensors])
