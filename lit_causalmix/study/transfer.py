"""Results as one compact file, and back: a study goes on elsewhere from where it stands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import json_text, write_bytes
from lit_causalmix.study.store import OK, Record, Store

_FIELDS = ("key", "status", "table", "method", "backbone", "seed")


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        added: Records that were taken.
        known: Records that were there already, or failed where there is one.
        different: Keys whose finished record differs in its scores from the one there, which stays.
    """

    added: int
    known: int
    different: tuple[str, ...]


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
    records.sort(key=lambda r: [str(r[name]) for name in (*_FIELDS[2:], "ratio", "size", "key")])
    lines = "".join(f"{json_text(record, sort_keys=True)}\n" for record in records)
    write_bytes(path, gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    return len(records)


def merge(store: Store, source: Path) -> Merged:
    """Takes the records of an exported file or of another store.

    A finished cell stays as it is; it replaces a failed one of the same key.

    Args:
        store: Takes the records.
        source: A file of `export`, or the folder of a store.

    Raises:
        ConfigurationError: If the source is neither.
    """
    added, known, different = 0, 0, []
    for record in read_records(source):
        present = store.get(record["key"])
        if present is None or (present["status"] != OK and record["status"] == OK):
            store.put(record)
            added += 1
            continue
        known += 1
        if record["status"] == OK and record["scores"] != present["scores"]:
            different.append(record["key"])
    return Merged(added, known, tuple(different))


def read_records(source: Path) -> Iterator[Record]:
    """Yields the records of a store's folder, or of a file of `export`.

    Raises:
        ConfigurationError: If the source is neither.
    """
    if source.is_dir():
        if not (source / "cells").is_dir():
            raise ConfigurationError(f"{source} is no folder of a study: it has no cells/")
        yield from Store(source).records()
        return
    try:
        lines = gzip.decompress(source.read_bytes()).decode().splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, EOFError, ValueError) as error:
        raise ConfigurationError(f"{source} is no whole file of study export: {error}") from error
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not set(_FIELDS) <= set(record):
            raise ConfigurationError(
                f"line {number} of {source} is no result of a study, which has {', '.join(_FIELDS)}"
            )
        yield record
