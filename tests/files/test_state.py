from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.files import state as store


@dataclass(frozen=True, eq=False)
class Leaf:
    array: NDArray[Any]
    label: str | None


@dataclass(frozen=True, eq=False)
class Tree:
    leaves: tuple[Leaf, ...]
    names: dict[str, float]
    nested: tuple[tuple[int, ...], ...]


CLASSES: dict[str, type] = {"Leaf": Leaf, "Tree": Tree}


def example() -> Tree:
    arrays = [
        np.arange(6.0).reshape(2, 3).T,  # not contiguous
        np.array([True, False]),
        np.empty((0, 4), dtype=np.int64),
    ]
    leaves = tuple(Leaf(a, None if k else "é") for k, a in enumerate(arrays))
    return Tree(leaves, {"pi": 3.25, "array": -0.0}, ((1, 2), ()))


def test_written_and_read(tmp_path: Path) -> None:
    store.write(tmp_path, "tree", example())
    found = store.read(tmp_path, "tree", CLASSES)
    assert isinstance(found, Tree)
    for one, two in zip(example().leaves, found.leaves, strict=True):
        assert one.array.dtype == two.array.dtype
        np.testing.assert_array_equal(one.array, two.array)
        assert one.label == two.label
    assert (found.names, found.nested) == (example().names, example().nested)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tree.json", "tree.safetensors"]


def test_unknown_class_is_refused(tmp_path: Path) -> None:
    store.write(tmp_path, "tree", example())
    with pytest.raises(GeneratorError, match="KeyError"):
        store.read(tmp_path, "tree", {"Tree": Tree})


def test_every_single_altered_byte_is_noticed(tmp_path: Path) -> None:
    store.write(tmp_path, "tree", Leaf(np.arange(3.0), "x"))
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        for position in range(len(content)):
            altered = bytearray(content)
            altered[position] ^= 0b101
            path.write_bytes(altered)
            try:
                found = store.read(tmp_path, "tree", CLASSES)
            except GeneratorError:
                continue
            # White space in the JSON may change without changing what it says.
            assert (found.array == np.arange(3.0)).all()
            assert found.label == "x"
        path.write_bytes(content)
