"""Results as one compact file, and back: a study goes on elsewhere from where it stands."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_bytes
from lit_causalmix.study.checked_json import LONGEST, RecordError
from lit_causalmix.study.record import OK, Record, parse_record
from lit_causalmix.study.store import Refused, Store, to_text, warn

_SORTED_BY = ("table", "method", "backbone", "seed", "ratio", "size", "key")
_MOST_LEFT_OUT = 100
"""Lines of a file that may be no record before it counts as none; a bomb unfolds to billions."""


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        added: Records that were taken.
        known: Records that were there already, or failed where there is one.
        different: Keys whose finished record differs in its scores from the one there, which stays.
        refused: What was left out, a line each.
    """

    added: int
    known: int
    different: tuple[str, ...]
    refused: tuple[str, ...]


def export(store: Store, path: Path, *, keys: Iterable[str] | None = None) -> int:
    """Writes finished cells into one file: gzipped lines of JSON, sorted by labels.

    The same records give the same bytes.

    Args:
        store: The results.
        path: File to write, by custom NAME.jsonl.gz.
        keys: The cells to export; None takes all.

    Returns:
        Number of cells.
    """
    chosen = None if keys is None else set(keys)
    records = [
        record
        for record in store.records()
        if record["status"] == OK and (chosen is None or record["key"] in chosen)
    ]
    records.sort(key=lambda r: [str(r[name]) for name in _SORTED_BY])
    lines = "".join(f"{to_text(record)}\n" for record in records)
    write_bytes(path, gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    return len(records)


def merge(store: Store, source: Path) -> Merged:
    """Takes the records of an exported file or of another store.

    A finished cell stays as it is; it replaces a failed one of the same key. What is no record is
    left out, and the rest is taken.

    Args:
        store: Takes the records.
        source: A file of `export`, or the folder of a store.

    Raises:
        ConfigurationError: If the source is neither.
        FileError: If a record cannot be written.
    """
    added, known, different, refused = 0, 0, [], list[str]()
    for record in read_records(source, refused.append):
        present = store.get(record["key"])
        if present is None or (present["status"] != OK and record["status"] == OK):
            store.put(record)
            added += 1
            continue
        known += 1
        if record["status"] == OK and record["scores"] != present["scores"]:
            different.append(record["key"])
    return Merged(added, known, tuple(different), tuple(refused))


def read_records(source: Path, refused: Refused | None = None) -> Iterator[Record]:
    """Yields the records of a store's folder, or of a file of `export`.

    Args:
        source: The folder or file.
        refused: Is told what is left out, a line each; by default it is logged.

    Raises:
        ConfigurationError: If the source is neither.
    """
    if source.is_dir():
        if not (source / "cells").is_dir():
            raise ConfigurationError(f"{source} is no folder of a study: it has no cells/")
        yield from Store(source).records(refused)
    else:
        yield from _of_file(source, refused or warn)


def _of_file(source: Path, refused: Refused) -> Iterator[Record]:
    left_out, number = 0, 0
    for number, line in enumerate(_lines(source, refused), start=1):
        try:
            record = parse_record(line)
        except RecordError as error:
            refused(f"line {number} of {source} is left out: {error}")
            left_out += 1
            if left_out == _MOST_LEFT_OUT:
                refused(f"{source} is read no further: {left_out} lines of it are no result")
                return
        else:
            yield record


def _lines(source: Path, refused: Refused) -> Iterator[bytes]:
    """The lines of a gzipped file, without holding more than one of them."""
    number = 0
    try:
        if not source.is_file():
            raise OSError("there is no such file")
        with gzip.open(source, "rb") as stream:
            while line := stream.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    refused(f"{source} is read no further: line {number} has no end")
                    return
                yield line
    except (OSError, EOFError, zlib.error) as error:
        if number == 0:
            raise ConfigurationError(
                f"{source} is no whole file of study export: {error}"
            ) from error
        refused(f"{source} is cut or damaged behind line {number}: {error}")
