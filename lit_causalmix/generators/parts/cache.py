"""Fitted generators and their rows on disk, found again by a fingerprint of what made them."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.files.entries import make_once, one_at_a_time, usable, write
from lit_causalmix.files.fingerprint import code_fingerprint
from lit_causalmix.generators.base import Generator
from lit_causalmix.names import public_name
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
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


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
    """
    folder = root / f"{train.name}-{generator_fingerprint(generator, train, seed)[:32]}"
    if _loaded(generator, folder, train):
        return folder
    with one_at_a_time(folder):
        if not _loaded(generator, folder, train):
            generator.parts = root / "parts"
            start = time.process_time()
            generator.fit(train, seed=seed, progress=progress)
            write(generator.save, folder, seconds=time.process_time() - start)
    return folder


def _loaded(generator: Generator, folder: Path, train: Table) -> bool:
    """Restores the generator from an entry, if there is one that holds it."""
    if not usable(folder):
        return False
    try:
        generator.load(folder, train)
    except GeneratorError as error:
        _log.warning("Cache entry %s does not load (%s): rebuilding it", folder, error)
        return False
    _log.info("Generator loaded from cache %s", folder)
    return True


def draw_or_load(draw: Callable[[], NDArray[np.float64]], folder: Path) -> NDArray[np.float64]:
    """Returns the rows of a cache entry; where there is none, draws them and makes it.

    Args:
        draw: Draws coded rows, float64 (n, C + 1).
        folder: The entry, named after everything that the rows depend on.
    """
    from safetensors.numpy import load_file, save_file

    file = folder / f"{_ROWS}.safetensors"
    make_once(
        folder, lambda work: save_file({_ROWS: np.ascontiguousarray(draw())}, work / file.name)
    )
    return load_file(file)[_ROWS]
