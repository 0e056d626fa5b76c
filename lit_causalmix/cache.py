"""Fitted generators and their rows on disk, found again by a fingerprint of what made them.

A cache entry is a folder that appears in one atomic rename, with a manifest of the SHA-256 of each
file. A half-written folder is therefore never mistaken for an entry, and a damaged one is noticed
and built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.generators.base import Generator
from lit_causalmix.tables.table import Table

_MANIFEST = "manifest.json"
_ROWS = "rows"
_CODE = ("backbones", "causal", "generators", "tables")
_LIBRARIES = ("numpy", "scikit-learn", "torch", "dowhy", "causal-learn", "ctgan", "rdt")
_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """SHA-256 over the source of this package's core and the versions of what it fits with."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(p for part in _CODE for p in root.glob(f"{part}/*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    for library in _LIBRARIES:
        try:
            digest.update(f"{library}=={version(library)}".encode())
        except PackageNotFoundError:  # an optional library: its absence is a state of its own
            digest.update(f"{library} absent".encode())
    return digest.hexdigest()


def generator_fingerprint(generator: Generator, train: Table, seed: int) -> str:
    """SHA-256 over everything that a fitted generator depends on.

    Data and schema of the training split, the generator's class and settings, the seed, the
    source code and the versions of the libraries.
    """
    kind = type(generator)
    facts: dict[str, Any] = {
        "generator": f"{kind.__module__}.{kind.__qualname__}",
        "settings": generator.settings(),
        "table": train.fingerprint(),
        "seed": seed,
        "code": code_fingerprint(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _file_hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def is_intact(folder: Path) -> bool:
    """Whether a cache entry holds exactly the files that its manifest lists, unchanged."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["files"] == _file_hashes(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
    with _one_at_a_time(folder):
        if not _loaded(generator, folder, train):
            generator.fit(train, seed=seed, progress=progress)
            _write(generator.save, folder)
    return folder


def _loaded(generator: Generator, folder: Path, train: Table) -> bool:
    """Restores the generator from an entry, if there is one that holds it."""
    if not _usable(folder):
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
    if not _usable(folder):
        with _one_at_a_time(folder):
            if not _usable(folder):
                rows = np.ascontiguousarray(draw())
                _write(lambda work: save_file({_ROWS: rows}, work / file.name), folder)
    return load_file(file)[_ROWS]


def _usable(folder: Path) -> bool:
    """Whether there is an intact entry; a damaged one is said."""
    if not folder.exists():
        return False
    if is_intact(folder):
        return True
    _log.warning("Cache entry %s is damaged or half-written: rebuilding it", folder)
    return False


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets one process make an entry while the others wait for it; the lock dies with its owner."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire()
    except NotImplementedError:  # no locks on this file system: some work may be done twice
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _write(save: Callable[[Path], None], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder.parent) as scratch:
        work = Path(scratch) / "entry"
        work.mkdir()
        save(work)
        manifest = {"files": _file_hashes(work)}
        (work / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if folder.exists() and not is_intact(folder):
            shutil.rmtree(folder)
        try:
            work.rename(folder)
        except OSError:
            # Another process was faster; its entry has the same fingerprint and content.
            if not is_intact(folder):
                raise
