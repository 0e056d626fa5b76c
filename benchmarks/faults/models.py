"""Damaged model folders: each is refused in one line, or predicts the very same bits.

`python benchmarks/faults/models.py --count 1000` fits two small models (a classifier, a regressor),
damages the files of their folders at random (bits, cuts, holes, foreign bytes, JSON values of other
kinds at any depth, names that lead elsewhere, missing and swapped files), loads each and predicts.
Another error than ours, a long wait, other predictions without a word, an import of what the folder
names, or a file written outside of it is a fault; the exit status is their number, at most 100.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from damage import VALUES, damage_bytes
from endings import Endings, ending

from lit_causalmix import load_model
from lit_causalmix.commands.main import main as command
from lit_causalmix.seeding import rng

TINY = Path(__file__).resolve().parents[2] / "tests" / "conf" / "tiny.yaml"
_NAMES = (
    "../outside.safetensors",
    "/etc/hostname",
    "os.system",
    "antigravity.geohash",
    "model.json",
)
ROWS = 12


def table(regression: bool) -> pd.DataFrame:
    """Numbers, categories and gaps, with a target that depends on them."""
    random = rng(0, "models", int(regression))
    frame = pd.DataFrame({"a": random.normal(size=80), "b": random.choice(["u", "v", "w"], 80)})
    value = frame.a + (frame.b == "u") + random.normal(size=80) / 2
    frame["y"] = value if regression else np.where(value > 0.3, "yes", "no")
    frame.loc[:4, "a"] = np.nan
    return frame


def fitted(folder: Path, regression: bool) -> Path:
    """The model folder of a small fit."""
    folder.mkdir()
    table(regression).to_csv(folder / "t.csv", index=False)
    line = ["fit", "--config", str(TINY), "--data.cache_dir=cache", "--quiet"]
    line += ["--data.table.source=t.csv", "--data.table.target=y", "--data.synthetic_ratio=0"]
    if regression:
        line.append("--model.backbone.init_args.task=regression")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        if command(line):
            raise SystemExit("the fit of a whole model failed")
    return folder / "runs" / "fit" / "version_0" / "model"


def damaged_value(value: Any, random: np.random.Generator) -> Any:
    """Changes one thing within a JSON value: another kind, a name that leads elsewhere, or none."""
    if isinstance(value, list):
        found = damaged_value(dict(enumerate(value)), random)
        return list(found.values()) if isinstance(found, dict) else found
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = list(value)[int(random.integers(len(value)))]
        if random.random() < 0.15:
            return {name: below for name, below in value.items() if name != key}
        return {**value, key: damaged_value(value[key], random)}
    if random.random() < 0.3:
        return str(random.choice(_NAMES))
    return VALUES[int(random.integers(len(VALUES)))]


def damage(folder: Path, random: np.random.Generator) -> str:
    """Damages one file of a folder and says which."""
    files = sorted(p for p in folder.iterdir() if p.suffix != ".md")
    file = files[int(random.integers(len(files)))]
    kind = int(random.integers(10))
    if kind == 0:
        file.unlink()
    elif kind == 1:
        other = files[int(random.integers(len(files)))]
        shutil.copyfile(other, folder / "swap")
        (folder / "swap").replace(file)
    elif kind == 2:
        file.unlink()
        file.mkdir()
    elif kind <= 7 and file.suffix == ".json":
        content = damaged_value(json.loads(file.read_bytes()), random)
        file.write_text(json.dumps(content), encoding="utf-8")
    else:
        file.write_bytes(damage_bytes(file.read_bytes(), random))
    return file.name


def outcome(folder: Path, rows: pd.DataFrame, expected: pd.DataFrame) -> str:
    """What loading and predicting comes to."""

    def predictions() -> str:
        same = load_model(folder).frame(rows).equals(expected)
        return "same predictions" if same else "other predictions"

    before = "antigravity" in sys.modules
    found = ending(predictions)
    imported = "antigravity" in sys.modules and not before
    return "imports what the folder names" if imported else found


def main() -> int:
    """Runs the cases and prints how they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    endings = Endings()
    sys.argv = ["lit-causalmix"]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        whole = []
        for regression in (False, True):
            model = fitted(root / str(regression), regression)
            rows = table(regression).drop(columns="y").head(ROWS)
            whole.append((model, rows, load_model(model).frame(rows)))
        for case in range(options.count):
            random = rng(options.seed, "models", case)
            source, rows, expected = whole[int(random.integers(len(whole)))]
            before = sorted(os.listdir(root))
            folder = Path(shutil.copytree(source, root / "damaged"))
            file = damage(folder, random)
            found = outcome(folder, rows, expected)
            shutil.rmtree(folder)
            if sorted(os.listdir(root)) != before:
                found = "writes outside the folder"
            endings.add(f"case {case} ({file})", found)
    return endings.close()


if __name__ == "__main__":
    sys.exit(main())
