"""Finished cells on disk: one JSON file each, which is there whole or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import json_text, write_text

Record = dict[str, Any]
"""What is kept of a cell; see `study.cell.run_cell`."""

OK, FAILED = "ok", "failed"
"""The statuses of a record."""

_log = logging.getLogger(__name__)


class Store:
    """The results of one study, in a folder that several runners may share.

    A result is written under another name, forced to disk and renamed: whoever is killed leaves
    finished cells or none. A cell is claimed by a lock of the operating system, which ends with the
    process that holds it, so there are no stale claims. A finished cell is never overwritten; only
    a failed one may be, by a later attempt.

    Args:
        root: The folder; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cells = root / "cells"
        self._zero_shot = root / "zero_shot"
        self._weights = root / "weights"

    def get(self, key: str) -> Record | None:
        """The record of a cell, None where there is none yet."""
        return _read(self._cells / f"{key}.json")

    def records(self) -> Iterator[Record]:
        """All records, by ascending key."""
        for path in sorted(self._cells.glob("*.json")):
            record = _read(path)
            if record is not None:
                yield record

    def keys(self) -> set[str]:
        """Keys of all cells with a record, failed ones included; nothing is read."""
        return {path.stem for path in self._cells.glob("*.json")}

    def put(self, record: Mapping[str, Any]) -> bool:
        """Keeps a record, unless the cell is finished already.

        Returns:
            Whether it was kept.
        """
        present = self.get(record["key"])
        if present is not None and present["status"] == OK:
            return False
        _write(self._cells / f"{record['key']}.json", record)
        return True

    def claim(self, key: str) -> FileLock:
        """A lock on a cell, not yet taken.

        Raises:
            ConfigurationError: If the folder cannot be written.
        """
        folder = self.root / "claims"
        make_folder(folder)
        return FileLock(folder / f"{key}.lock")

    @contextmanager
    def started(self, key: str) -> Iterator[None]:
        """Marks a cell as under way; the mark stays behind where a process dies."""
        mark = self._mark(key)
        mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def was_started(self, key: str) -> bool:
        """Whether a cell is under way, or was when its process died."""
        return self._mark(key).exists()

    def stamp(self, key: str) -> int | None:
        """Changes when a record is written: its time in ns, None where there is none."""
        try:
            return (self._cells / f"{key}.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def check(self) -> None:
        """Refuses a folder that cannot be written or locked.

        Raises:
            ConfigurationError: With the reason.
        """
        try:
            with self.claim("check").acquire(timeout=10):
                pass
        except (OSError, NotImplementedError) as error:
            raise ConfigurationError(
                f"{self.root} is no folder for results, which have to be written and locked: "
                f"{error}"
            ) from error

    def _mark(self, key: str) -> Path:
        return self.root / "claims" / f"{key}.started"

    def zero_shot(self, key: str) -> Record | None:
        """Zero-shot scores that a former cell measured."""
        return _read(self._zero_shot / f"{key}.json")

    def put_zero_shot(self, key: str, content: Mapping[str, Any]) -> None:
        """Keeps zero-shot scores for the cells that share them."""
        _write(self._zero_shot / f"{key}.json", content)

    def weights(self, key: str) -> Record | None:
        """The checksum of a backbone's weights that a former run noted."""
        return _read(self._weights / f"{key}.json")

    def put_weights(self, key: str, content: Mapping[str, Any]) -> None:
        """Notes the checksum of a backbone's weights."""
        _write(self._weights / f"{key}.json", content)


def make_folder(folder: Path) -> None:
    """Makes a folder for results.

    Raises:
        ConfigurationError: If that is impossible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error}") from error


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json_text(content, sort_keys=True) + "\n")


def _read(path: Path) -> Record | None:
    try:
        content: Record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        _log.warning("%s is damaged: it counts as not there", path)
        return None
    return content
