"""Folders of a cache, each there whole or not at all.

An entry appears in one atomic rename, with a manifest of the SHA-256 of each file. A half-written
folder is therefore never mistaken for an entry, and a damaged one is noticed and built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_MANIFEST = "manifest.json"
_log = logging.getLogger(__name__)


def make_once(folder: Path, make: Callable[[Path], None]) -> None:
    """Makes an entry unless there is an intact one; one process makes it, the others wait.

    Args:
        folder: The entry, named after everything that its content depends on.
        make: Writes the content into an existing empty folder.
    """
    if usable(folder):
        return
    with one_at_a_time(folder):
        if not usable(folder):
            write(make, folder)


def is_intact(folder: Path) -> bool:
    """Whether a cache entry holds exactly the files that its manifest lists, unchanged."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["files"] == _file_hashes(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def seconds_spent(folder: Path) -> float:
    """Seconds of processor time that it took to make an intact entry, whoever made it."""
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    return float(manifest["seconds"])


def usable(folder: Path) -> bool:
    """Whether there is an intact entry; a damaged one is said."""
    if not folder.exists():
        return False
    if is_intact(folder):
        return True
    _log.warning("Cache entry %s is damaged or half-written: rebuilding it", folder)
    return False


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
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


def write(save: Callable[[Path], None], folder: Path, *, seconds: float = 0.0) -> None:
    """Lets `save` fill an empty folder, which then becomes the entry in one step.

    Args:
        save: Writes the content.
        folder: The entry.
        seconds: Of processor time that the content took before; noted with the entry.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder.parent) as scratch:
        work = Path(scratch) / "entry"
        work.mkdir()
        start = time.process_time()
        save(work)
        seconds += time.process_time() - start
        manifest = {"files": _file_hashes(work), "seconds": round(seconds, 3)}
        (work / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if folder.exists() and not is_intact(folder):
            shutil.rmtree(folder)
        try:
            work.rename(folder)
        except OSError:
            # Another process was faster; its entry has the same fingerprint and content.
            if not is_intact(folder):
                raise


def _file_hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }
