"""Folders of a cache, each there whole or not at all.

An entry appears in one atomic rename, with a manifest that names it and holds the SHA-256 of each
of its files and of itself. What is half-written, damaged or another entry's is therefore never
taken for an entry; it is said, and made again.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from filelock import FileLock
from safetensors import SafetensorError

from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.files.atomic import refusals, write_json
from lit_causalmix.files.digests import of_file, of_json, of_parts
from lit_causalmix.paths import CACHE_VARIABLE

_MANIFEST = "manifest.json"
_PROBE = 4096
_HINT = f"data.cache_dir, or {CACHE_VARIABLE} in the environment, puts the cache elsewhere"
_log = logging.getLogger(__name__)

MadeT = TypeVar("MadeT")


def load_or_make(
    folder: Path,
    *,
    load: Callable[[Path], MadeT],
    make: Callable[[], MadeT],
    save: Callable[[MadeT, Path], object],
) -> MadeT:
    """Returns what an entry holds; where there is none, or a damaged one, makes it and the entry.

    One process makes it, the others wait.

    Args:
        folder: The entry, named after everything that its content depends on.
        load: Reads an intact entry.
        make: Makes what is to be kept.
        save: Writes it into an empty folder.

    Raises:
        FileError: If the cache cannot be written; that is found before `make` is called, but for
            a disk that fills up. Nothing of the entry is left then.
    """
    found = _loaded(folder, load, logging.DEBUG)
    if found is None:
        with _one_at_a_time(folder):
            found = _loaded(folder, load, logging.WARNING)
            if found is None:
                start = time.process_time()
                found = make()
                _write(found, save, folder, start)
    return found


def is_intact(folder: Path) -> bool:
    """Whether an entry holds exactly the files that its manifest lists, unchanged."""
    return _manifest(folder) is not None


def seconds_spent(folder: Path) -> float:
    """Processor time in seconds that it took to make an entry; NaN where it is damaged."""
    manifest = _manifest(folder)
    return math.nan if manifest is None else float(manifest["seconds"])


def _loaded(folder: Path, load: Callable[[Path], MadeT], level: int) -> MadeT | None:
    """What an entry holds, None where it has to be made; the level is that of the reason."""
    if not (folder.is_symlink() or folder.exists()):
        return None
    if not is_intact(folder):
        _log.log(level, "Cache entry %s is damaged or half-written: rebuilding it", folder)
        return None
    try:
        return load(folder)
    except (LitCausalMixError, OSError, KeyError, SafetensorError) as error:
        _log.log(level, "Cache entry %s does not load (%s): rebuilding it", folder, error)
        return None


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets one process make an entry while the others wait for it; the lock dies with its owner."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    probe = folder.with_name(_scratch_name(folder, uuid4().hex))
    locked = True
    with refusals(folder, Path(lock.lock_file), probe, hint=_HINT):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(_PROBE))  # a full disk still takes the lock, which is empty
        finally:
            probe.unlink(missing_ok=True)
        try:
            lock.acquire()
        except NotImplementedError:  # no locks on this file system: some work may be done twice
            locked = False
    try:
        if locked:
            for scratch in folder.parent.glob(_scratch_name(folder, "*")):
                with suppress(OSError):
                    _remove(scratch)  # whoever wrote it was killed
        yield
    finally:
        lock.release()


def _write(made: MadeT, save: Callable[[MadeT, Path], object], folder: Path, start: float) -> None:
    """Writes an entry in place of whatever stands there; it counts the time since `start`."""
    scratch = folder.with_name(_scratch_name(folder, uuid4().hex))
    with refusals(folder, scratch, hint=_HINT):
        try:
            scratch.mkdir()
            save(made, scratch)
            content = {
                "entry": folder.name,
                "files": _file_hashes(scratch),
                "seconds": round(time.process_time() - start, 3),
            }
            write_json(scratch / _MANIFEST, content | {"digest": of_json(content)})
            _remove(folder)
            try:
                scratch.rename(folder)
            except OSError:
                # Without locks another process may have been faster, with the same content.
                if not is_intact(folder):
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch_name(folder: Path, ending: str) -> str:
    return f".{of_parts([folder.name])[:32]}.{ending}.writing"


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an intact entry, None where the entry is not there or not as it was made."""
    path = folder / _MANIFEST
    try:
        if not path.is_file():  # a pipe would be read for ever
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("digest")
        intact = (
            digest == of_json(content)
            and content["entry"] == folder.name
            and content["files"] == _file_hashes(folder)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return content if intact else None


def _file_hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def _remove(path: Path) -> None:
    """Removes whatever stands in the place of an entry; a link is not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
