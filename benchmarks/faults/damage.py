"""Random damage to files, for the benchmarks beside this one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    10**9,
    10**400,
    0.5,
    "",
    "x",
    [],
    {},
    [1],
    {"a": 1},
)


def damage_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Flips bits, cuts, overwrites or inserts."""
    data, kind = bytearray(content), int(random.integers(6))
    at = int(random.integers(max(len(data), 1)))
    length = int(random.integers(1, 64))
    if kind == 0:
        for position in random.integers(len(data), size=int(random.integers(1, 4))):
            data[position] ^= 1 << int(random.integers(8))
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == 3:
        data[at:at] = random.bytes(length)
    elif kind == 4:
        data += random.bytes(length)
    else:  # the length of the header, or what begins a file
        data[: int(random.integers(1, 12))] = random.bytes(int(random.integers(1, 12)))
    return bytes(data)


def damage_json(content: bytes, random: np.random.Generator) -> bytes:
    """Gives one value another kind, drops a key, or nests deeply."""
    values = json.loads(content)
    name = str(random.choice(sorted(values)))
    kind = int(random.integers(4))
    if kind == 0:
        del values[name]
    elif kind == 1:
        return b"[" * 100_000
    elif kind == 2:
        return json.dumps(list(values.items())).encode()
    else:
        values[name] = VALUES[int(random.integers(len(VALUES)))]
    return json.dumps(values).encode()
