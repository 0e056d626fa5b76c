"""Fitted generators on disk, found again by a fingerprint of everything that made them.

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
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lit_causalmix.errors import GeneratorError
from lit_causalmix.generators.base import Generator
from lit_causalmix.tables.table import Table

_MANIFEST = "manifest.json"
_CODE = ("causal", "generators", "tables")
_LIBRARIES = ("numpy", "scikit-learn", "dowhy", "causal-learn")
_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """SHA-256 over the source of this package's core and the versions of what it fits with."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(
        p for part in ("causal", "generators", "tables") for p in root.glob(f"{part}/*.py")
    ):
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
    if folder.exists():
        if is_intact(folder):
            try:
                generator.load(folder, train)
            except GeneratorError as error:
                _log.warning("Cache entry %s does not load (%s): rebuilding it", folder, error)
            else:
                _log.info("Generator loaded from cache %s", folder)
                return folder
        else:
            _log.warning("Cache entry %s is damaged or half-written: rebuilding it", folder)
    generator.fit(train, seed=seed, progress=progress)
    _write(generator, folder)
    return folder


def _write(generator: Generator, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder.parent) as scratch:
        work = Path(scratch) / "entry"
        work.mkdir()
        generator.save(work)
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
