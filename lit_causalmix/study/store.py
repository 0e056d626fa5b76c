"""Finished cells on disk: one JSON file each, which is there whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import json_text, refusals, write_text
from lit_causalmix.study.checked_json import LONGEST, RecordError
from lit_causalmix.study.record import (
    OK,
    Record,
    checked_key,
    parse_checksum,
    parse_record,
    parse_zero_shot,
)

_log = logging.getLogger(__name__)

Refused = Callable[[str], None]
"""Takes one line about something that is left out."""


class Store:
    """The results of one study, in a folder that several runners may share.

    A result is written under another name, forced to disk and renamed: whoever is killed leaves
    finished cells or none. A cell is claimed by a lock of the operating system, which ends with the
    process that holds it, so there are no stale claims. A finished cell is never overwritten; only
    a failed one may be, by a later attempt.

    Every file is named after a key, which has to be a content hash (`record.checked_key`), and what
    is read is checked (`record.parse_record`): a damaged file is said, and counts as not there.

    Args:
        root: The folder; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> Record | None:
        """The record of a cell, None where there is none yet.

        Raises:
            RecordError: If the key is no content hash.
        """
        return _read(self._file("cells", key), parse_record, warn)

    def records(self, refused: Refused | None = None) -> Iterator[Record]:
        """All records, by ascending key.

        Args:
            refused: Is told what is left out; by default it is logged.

        Raises:
            ConfigurationError: If the folder cannot be read.
        """
        tell = refused or warn
        try:
            paths = sorted((self.root / "cells").glob("*.json"))
        except OSError as error:
            raise ConfigurationError(f"{self.root} cannot be read: {error}") from error
        for path in paths:
            record = _read(path, parse_record, tell)
            if record is not None and record["key"] != path.stem:
                tell(f"{path} is left out: it holds the cell {record['key']}")
            elif record is not None:
                yield record

    def keys(self) -> set[str]:
        """Keys of all cells with a record, failed ones included; nothing is read."""
        return {path.stem for path in (self.root / "cells").glob("*.json")}

    def put(self, record: Mapping[str, Any]) -> bool:
        """Keeps a record, unless the cell is finished already.

        Returns:
            Whether it was kept.

        Raises:
            RecordError: If its key is no content hash.
            FileError: If it cannot be written.
        """
        path = self._file("cells", record["key"])
        present = self.get(record["key"])
        if present is not None and present["status"] == OK:
            return False
        _write(path, record)
        return True

    def claim(self, key: str) -> FileLock:
        """A lock on a cell, not yet taken.

        Raises:
            FileError: If the folder cannot be written.
        """
        path = self._file("claims", key, ".lock")
        with refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    @contextmanager
    def started(self, key: str) -> Iterator[None]:
        """Marks a cell as under way; the mark stays behind where a process dies.

        Raises:
            FileError: If the folder cannot be written.
        """
        mark = self._file("claims", key, ".started")
        with refusals(mark):
            mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def was_started(self, key: str) -> bool:
        """Whether a cell is under way, or was when its process died."""
        return self._file("claims", key, ".started").exists()

    def stamp(self, key: str) -> int | None:
        """Changes when a record is written: its time in ns, None where there is none."""
        try:
            return self._file("cells", key).stat().st_mtime_ns
        except OSError:
            return None

    def check(self) -> None:
        """Refuses a folder that cannot be written or locked.

        Raises:
            ConfigurationError: With the reason.
        """
        try:
            with self.claim(_CHECK).acquire(timeout=10):
                pass
        except (OSError, NotImplementedError) as error:
            raise ConfigurationError(
                f"{self.root} is no folder for results, which have to be written and locked: "
                f"{error}"
            ) from error

    def zero_shot(self, key: str) -> dict[str, Any] | None:
        """Zero-shot scores that a former cell measured."""
        return _read(self._file("zero_shot", key), parse_zero_shot, warn)

    def put_zero_shot(self, key: str, content: Mapping[str, Any]) -> None:
        """Keeps zero-shot scores for the cells that share them."""
        _write(self._file("zero_shot", key), content)

    def weights(self, key: str) -> dict[str, Any] | None:
        """The checksum of a backbone's weights that a former run noted."""
        return _read(self._file("weights", key), parse_checksum, warn)

    def put_weights(self, key: str, content: Mapping[str, Any]) -> None:
        """Notes the checksum of a backbone's weights."""
        _write(self._file("weights", key), content)

    def _file(self, kind: str, key: str, ending: str = ".json") -> Path:
        return self.root / kind / f"{checked_key(key)}{ending}"


_CHECK = "0" * 32
"""The key that a folder is tried with; no cell has it."""


def warn(text: str) -> None:
    """Logs a line about something that is left out."""
    _log.warning("%s", text)


def to_text(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON with sorted keys."""
    return json_text(record, sort_keys=True)


def check_folder(root: Path) -> None:
    """Refuses a path that can be no folder of results, before anything is read or written there.

    Raises:
        ConfigurationError: If it, or what it should lie in, is a file or a link to nothing.
    """
    for part in (root, *root.absolute().parents):
        if part.is_dir():
            return
        if part.is_symlink() or part.exists():
            kind = "a file" if part.exists() else "a link to nothing"
            raise ConfigurationError(f"--out names a folder for results, but {part} is {kind}")


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, to_text(content) + "\n")


def _read(
    path: Path, parse: Callable[[bytes], dict[str, Any]], refused: Refused
) -> dict[str, Any] | None:
    try:
        if not path.is_file():  # nor a pipe, which would be waited for
            return None
        with path.open("rb") as stream:
            return parse(stream.read(LONGEST + 1))
    except FileNotFoundError:
        return None
    except (OSError, RecordError) as error:
        refused(f"{path} is damaged: it counts as not there, as {error}")
        return None
