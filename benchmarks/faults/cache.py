"""Damaged caches of fitted generators: the rows drawn are those of a fresh fit, every time.

`python benchmarks/faults/cache.py --count 1000` fits each generator on a small table, for two
seeds, into one cache. Each case damages one to three places of a copy at random: bits, cuts, holes
and foreign bytes in any file; JSON values of other kinds; files and entries that are gone, empty,
folders, pipes, dangling links, links to other entries, or swapped with others; files more. Then one
of the generators is fitted or found again, twice. Another error than ours, other rows than those of
the whole cache, a half-written entry that is left, or a case that takes long is a fault; the exit
status is their number, at most 100.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from damage import damage_bytes, damage_json
from endings import Endings, ending

from lit_causalmix import generators
from lit_causalmix.backbones import Tab2D
from lit_causalmix.datamodules.synthetic import SyntheticSource
from lit_causalmix.files.digests import of_array
from lit_causalmix.files.entries import is_intact
from lit_causalmix.generators.base import Generator
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits

SLOW = 60.0
"""Seconds of processor time after which a case counts as hanging."""

SEEDS = (0, 1)
_SEARCH = {"n_dags": 1, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"}
_EDGES = [["age", "income"], ["colour", "income"], ["income", "target"]]


def _backbone() -> Tab2D:
    return Tab2D(dim=8, n_layers=1, n_heads=2)


MAKERS: dict[str, Callable[[], Generator]] = {
    "SCM": lambda: generators.SCMGenerator(**_SEARCH),  # type: ignore[arg-type]
    "independent": generators.IndependentColumnsGenerator,
    "jitter": generators.JitterGenerator,
    "TableAugment": generators.TableAugmentGenerator,
    "mixed model": lambda: generators.MixedModelGenerator(n_models=1, teachers=["tree"]),
    "TabEBM": lambda: generators.TabEBMGenerator(_backbone(), n_steps=2, max_context_rows=16),
    "DAG-TFM": lambda: generators.DagTFMGenerator(_backbone(), edges=_EDGES, n_dags=1),
    "relabelled": lambda: generators.RelabelledGenerator(
        generators.JitterGenerator(), _backbone(), max_context_rows=32
    ),
}
if find_spec("ctgan") is not None:
    MAKERS["CTGAN"] = lambda: generators.CTGANGenerator(steps=2)


def table() -> Table:
    """The training rows of a small table of mixed columns."""
    random = rng(0, "table")
    n = 80
    age, colour = random.normal(40, 10, n), random.choice(["red", "green"], n)
    income = 50 * age + 300 * (colour == "red") + random.normal(0, 100, n)
    target = np.where(income + random.normal(0, 200, n) > np.median(income), "good", "bad")
    frame = pd.DataFrame({"age": age, "colour": colour, "income": income, "target": target})
    return load_splits(TableSpec(frame, target="target", name="small"), SplitSpec()).train


def drawn(name: str, seed: int, train: Table, cache: Path) -> str:
    """Digest of the rows that a generator, fitted or found again, gives to train on and score."""
    source = SyntheticSource(
        MAKERS[name](),
        train,
        n_classes=2,
        size=0.5,
        seed=seed,
        cache_dir=cache,
        progress=False,
    )
    rows = [source.rows.draw(20, 0, 0), source.to_score(6).values]
    return of_array(np.concatenate(rows))


def entries(cache: Path) -> list[Path]:
    """The entries of a cache, in a fixed order."""
    return sorted(path.parent for path in cache.rglob("manifest.json"))


def damage(cache: Path, used: list[Path], random: np.random.Generator) -> str:
    """Damages one place of a cache, mostly an entry that is going to be used, and says how."""
    whole = entries(cache)
    near = [cache / path for path in used if cache / path in whole]
    several = near if near and random.random() < 0.9 else whole
    entry = several[int(random.integers(len(several)))]
    other = whole[int(random.integers(len(whole)))]
    files = sorted(path for path in entry.iterdir() if path.is_file())
    kinds = list(_OF_ENTRIES if random.random() < 0.3 or not files else _OF_FILES)
    kind = str(random.choice(kinds))
    if kind in _OF_ENTRIES:
        _OF_ENTRIES[kind](entry, other)
        return f"{entry.name}: {kind}"
    file = files[int(random.integers(len(files)))]
    _OF_FILES[kind](file, random)
    return f"{entry.name}/{file.name}: {kind}"


def _swap(entry: Path, other: Path) -> None:
    if entry != other:
        aside = entry.with_name("aside")
        entry.rename(aside)
        other.rename(entry)
        aside.rename(other)


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


_OF_ENTRIES: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda entry, _: shutil.rmtree(entry),
    "a file": lambda entry, _: _instead(entry, lambda path: path.write_bytes(b"x")),
    "empty": lambda entry, _: _instead(entry, Path.mkdir),
    "a pipe": lambda entry, _: _instead(entry, os.mkfifo),
    "a dangling link": lambda entry, _: _instead(entry, lambda path: path.symlink_to("gone")),
    "a link to another": lambda entry, other: (
        None if entry == other else _instead(entry, lambda path: path.symlink_to(other))
    ),
    "swapped with another": _swap,
    "a file more": lambda entry, _: (entry / "more").write_bytes(b"x"),
    "a lock that is a folder": lambda entry, _: _instead(
        entry.with_name(f".{entry.name}.lock"), Path.mkdir
    ),
}


def _bytes(file: Path, random: np.random.Generator) -> None:
    content = file.read_bytes()
    file.write_bytes(damage_bytes(content, random) if content else b"x")


def _values(file: Path, random: np.random.Generator) -> None:
    if file.suffix == ".json":
        try:
            file.write_bytes(damage_json(file.read_bytes(), random))
        except (ValueError, AttributeError):  # damaged already
            _bytes(file, random)
    else:
        _bytes(file, random)


_OF_FILES: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "bytes": _bytes,
    "other bytes": _bytes,
    "values": _values,
    "gone": lambda file, _: file.unlink(),
    "empty": lambda file, _: file.write_bytes(b""),
    "a folder": lambda file, _: _instead(file, Path.mkdir),
    "a pipe": lambda file, _: _instead(file, os.mkfifo),
    "a dangling link": lambda file, _: _instead(file, lambda path: path.symlink_to("gone")),
}


def outcome(name: str, seed: int, train: Table, cache: Path, expected: str) -> str:
    """What a generator comes to over a damaged cache, and over what it makes of it."""

    def rows() -> str:
        found = {drawn(name, seed, train, cache) for _ in range(2)}
        if list(cache.rglob("*.writing")):
            return "half-written entry left"
        return "same rows" if found == {expected} else "other rows"

    return ending(rows, slow=SLOW)


def main() -> int:
    """Runs the cases and prints how they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # each rebuilt entry is said
    train = table()
    endings = Endings()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        expected, used = {}, {}
        for fit in product(MAKERS, SEEDS):
            before = entries(whole)
            expected[fit] = drawn(*fit, train, whole)
            used[fit] = [e.relative_to(whole) for e in entries(whole) if e not in before]
        if not all(map(is_intact, entries(whole))):
            raise SystemExit("the cache was not whole to begin with")
        for case in range(options.count):
            random = rng(options.seed, "cache", case)
            cache = Path(shutil.copytree(whole, Path(scratch) / "damaged"))
            fit = str(random.choice(list(MAKERS))), int(random.choice(SEEDS))
            done = [damage(cache, used[fit], random) for _ in range(int(random.integers(1, 4)))]
            found = outcome(*fit, train, cache, expected[fit])
            shutil.rmtree(cache)
            endings.add(f"case {case} ({fit}; {', '.join(done)})", found)
    return endings.close()


if __name__ == "__main__":
    sys.exit(main())
