"""Damaged weight folders: each is refused in one line, or gives the very same weights.

`python benchmarks/faults/weights.py --count 1000` writes small models in the official formats,
damages their files at random (bits, cuts, holes, foreign bytes, JSON values of other kinds, missing
and swapped files) and loads them. A load that ends in another error than ours, takes long, or gives
other weights without a word is a fault; the exit status is their number, at most 100.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from damage import damage_bytes, damage_json
from endings import Endings, ending

from lit_causalmix.backbones import AxialTransformer, Backbone, Tab2D
from lit_causalmix.files import digests
from lit_causalmix.seeding import rng

_MODELS: dict[str, Callable[[], Any]] = {
    "Tab2D": lambda: Tab2D(dim=16, n_layers=1),
    "Tab2D, bins": lambda: Tab2D(dim=16, n_layers=1, task="regression", n_outputs=20),
    "AxialTransformer": lambda: AxialTransformer(dim=16, n_layers=1),
}
_LOADERS: dict[str, Callable[[Path], Backbone]] = {
    "Tab2D": lambda folder: Tab2D(weights=str(folder)),
    "Tab2D, bins": lambda folder: Tab2D(weights=str(folder), task="regression"),
    "AxialTransformer": lambda folder: AxialTransformer(weights=str(folder)),
}


def damage(folder: Path, random: np.random.Generator) -> str:
    """Damages one file of a folder and says which."""
    file = folder / str(random.choice(["config.json", "model.safetensors"]))
    kind = int(random.integers(8))
    if kind == 0:
        file.unlink()
    elif kind == 1:
        file.unlink()
        file.mkdir()
    elif kind == 2:
        file.write_bytes(b"")
    elif kind <= 4 and file.suffix == ".json":
        file.write_bytes(damage_json(file.read_bytes(), random))
    else:
        file.write_bytes(damage_bytes(file.read_bytes(), random))
    return file.name


def outcome(load: Callable[[Path], Backbone], folder: Path, expected: str) -> str:
    """What a load of the damaged folder comes to."""

    def weights() -> str:
        same = digests.of_module(load(folder)) == expected
        return "same weights" if same else "other weights"

    return ending(weights)


def main() -> int:
    """Runs the cases and prints how they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    endings = Endings()
    with tempfile.TemporaryDirectory() as scratch:
        whole = {}
        for name, make in _MODELS.items():
            model = make()
            whole[name] = (Path(scratch) / name, digests.of_module(model))
            model.save_pretrained(whole[name][0])
        for case in range(options.count):
            random = rng(options.seed, "weights", case)
            name = str(random.choice(sorted(whole)))
            folder = Path(shutil.copytree(whole[name][0], Path(scratch) / "damaged"))
            file = damage(folder, random)
            found = outcome(_LOADERS[name], folder, whole[name][1])
            shutil.rmtree(folder)
            endings.add(f"case {case} ({name}, {file})", found)
    return endings.close()


if __name__ == "__main__":
    sys.exit(main())
