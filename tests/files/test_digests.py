"""Digests stand in keys of published results: what they are taken over stays as it is."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lit_causalmix.files import digests


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_parts_follow_each_other_and_text_is_utf_8() -> None:
    parts = ["é", b"\x00", memoryview(b"z")]
    assert digests.of_parts(parts) == sha256("é".encode() + b"\x00z")
    assert digests.of_parts(iter(parts)) == digests.of_parts(parts)
    assert digests.of_parts([]) == sha256(b"")


def test_json_is_that_of_python_with_sorted_keys() -> None:
    content = {"b": [1, 0.5, None, "é"], "a": {"z": True, "y": float("inf")}}
    assert digests.of_json(content) == sha256(json.dumps(content, sort_keys=True).encode())


def test_files_and_arrays_are_their_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert digests.of_file(tmp_path / "a") == sha256(content)
    values = np.arange(6.0).reshape(2, 3)
    assert digests.of_array(values) == sha256(values.tobytes())
    assert digests.of_array(values.T) == sha256(values.T.copy().tobytes())


def test_a_module_is_its_names_types_shapes_and_values() -> None:
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
        module.bias.zero_()
    expected = b"".join(
        (
            b"biastorch.float32(1,)" + np.zeros(1, np.float32).tobytes(),
            b"weighttorch.float32(1, 2)" + np.array([1, 2], np.float32).tobytes(),
        )
    )
    assert digests.of_module(module) == sha256(expected)
    assert digests.of_tensors(dict(reversed(module.state_dict().items()))) == sha256(expected)
    assert digests.of_module(module.bfloat16()) != sha256(expected)
    assert digests.of_module(nn.Linear(1, 2, bias=False)) != digests.of_module(
        nn.Linear(2, 1, bias=False)
    )


def test_tensors_of_any_kind_have_a_digest() -> None:
    tensors = {
        "empty": torch.empty(0, 3),
        "number": torch.tensor(1),
        "not contiguous": torch.arange(6.0).reshape(2, 3).T,
        "gradient": torch.ones(2, requires_grad=True),
        "truth": torch.tensor([True, False]),
    }
    assert digests.of_tensors(tensors) == digests.of_tensors(tensors)
