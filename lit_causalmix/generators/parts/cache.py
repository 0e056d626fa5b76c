"""Fitted generators and their rows on disk, found again by a fingerprint of what made them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.files.digests import of_json
from lit_causalmix.files.entries import load_or_make
from lit_causalmix.files.fingerprint import code_fingerprint
from lit_causalmix.generators.base import Generator
from lit_causalmix.names import public_name
from lit_causalmix.paths import safe_name
from lit_causalmix.tables.table import Table

_ROWS = "rows"
_log = logging.getLogger(__name__)


def generator_fingerprint(generator: Generator, train: Table, seed: int) -> str:
    """SHA-256 over everything that a fitted generator depends on.

    Data and schema of the training split, the generator's class and settings, the seed, the
    source code (of the package, and of classes from outside it) and the versions of the libraries.
    """
    facts: dict[str, Any] = {
        "generator": public_name(type(generator)),
        "settings": generator.settings(),
        "table": train.fingerprint(),
        "seed": seed,
        "code": code_fingerprint(generator.libraries, generator.classes()),
    }
    return of_json(facts)


def fit_or_load(
    generator: Generator, train: Table, *, seed: int, root: Path, progress: bool = True
) -> Path:
    """Leaves the generator fitted, from the cache where it can be, and returns the entry's folder.

    Args:
        generator: The generator, fitted or not.
        train: The training split.
        seed: The run's seed.
        root: Folder of the cache; made where absent.
        progress: Whether to draw progress bars.

    Raises:
        GeneratorError: If the table cannot be modelled.
        FileError: If the cache cannot be written.
    """
    folder = root / f"{safe_name(train.name)}-{generator_fingerprint(generator, train, seed)[:32]}"

    def load(entry: Path) -> Generator:
        generator.load(entry, train)
        _log.info("Generator loaded from cache %s", entry)
        return generator

    def fit() -> Generator:
        generator.parts = root / "parts"
        generator.fit(train, seed=seed, progress=progress)
        return generator

    load_or_make(folder, load=load, make=fit, save=lambda fitted, entry: fitted.save(entry))
    return folder


def draw_or_load(draw: Callable[[], NDArray[np.float64]], folder: Path) -> NDArray[np.float64]:
    """Returns the rows of a cache entry; where there is none, draws them and makes it.

    Args:
        draw: Draws coded rows, float64 (n, C + 1).
        folder: The entry, named after everything that the rows depend on.

    Raises:
        FileError: If the cache cannot be written.
    """
    from safetensors.numpy import load_file, save_file

    name = f"{_ROWS}.safetensors"
    return load_or_make(
        folder,
        load=lambda entry: load_file(entry / name)[_ROWS],
        make=lambda: np.ascontiguousarray(draw()),
        save=lambda rows, entry: save_file({_ROWS: rows}, entry / name),
    )
