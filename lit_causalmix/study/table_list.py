"""The tables of a study: found by name, and told apart by what their sources hold."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_file, of_parts
from lit_causalmix.study.halves import halves
from lit_causalmix.tables import BUILTIN_TABLES, TableSpec
from lit_causalmix.tables.sources import is_file, read_source, source_class

FOLDER_VARIABLE = "LIT_CAUSALMIX_DATA"
"""Environment variable that names the folders of tables, separated as in PATH."""

_INDEX = "index.json"
_GROUPS = ("classification", "regression", "all", "development", "report")


def find_tables(
    names: Sequence[str | Mapping[str, Any]], folder: str | None
) -> dict[str, dict[str, Any]]:
    """Resolves tables to what `data.table` takes.

    Args:
        names: See `StudySpec.tables`.
        folder: Folder of CSV files with an `index.json`, a list of objects with the fields name,
            file, target, task (binary, multiclass or regression), domain and categorical (names of
            categorical columns); or several such folders, separated as in PATH (`os.pathsep`). None
            takes those in LIT_CAUSALMIX_DATA, if any.

    Returns:
        Name → mapping of `TableSpec`, in the order given.

    Raises:
        ConfigurationError: If there is no such table, no index, or two tables of one name.
    """
    place = folder or os.environ.get(FOLDER_VARIABLE)
    index = _read_indices(place) if place else {}
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        if isinstance(name, Mapping):
            tables = {_name_of(name): {**name, "source": _absolute(name["source"])}}
        elif name in _GROUPS:
            tables = _group(name, index, place)
        else:
            tables = {name: _named(name, index, place)}
        for label, table in tables.items():
            if found.setdefault(label, table) != table:
                raise ConfigurationError(
                    f"tables of a study have different names, two have the name {label!r}: "
                    f"{found[label]['source']} and {table['source']}; give one of them a name "
                    "(`name: …` beside its source)"
                )
    return found


def _group(
    name: str, index: Mapping[str, dict[str, Any]], place: str | None
) -> dict[str, dict[str, Any]]:
    if not index:
        raise ConfigurationError(
            f"the tables {name!r} are listed by an {_INDEX}: set tables_dir or {FOLDER_VARIABLE}, "
            f"got {place!r}"
        )
    kinds = {table: _kind(facts) for table, facts in index.items()}
    half = halves(kinds).get(name, frozenset())
    return {
        table: facts
        for table, facts in index.items()
        if name in ("all", kinds[table]) or table in half
    }


def _kind(facts: Mapping[str, Any]) -> str:
    return "regression" if facts["task"] == "regression" else "classification"


def _named(name: str, index: Mapping[str, dict[str, Any]], place: str | None) -> dict[str, Any]:
    if name in index:
        return index[name]
    if name in BUILTIN_TABLES or source_class(name) is not None:
        return {"source": name, "name": name}
    known = [*index, *BUILTIN_TABLES]
    near = get_close_matches(name, known, n=3)
    where = f"in {place}" if place else f"as neither tables_dir nor {FOLDER_VARIABLE} is set"
    raise ConfigurationError(
        f"no table {name!r} {where}; "
        + (f"did you mean {', '.join(near)}" if near else f"there are {', '.join(known)}")
    )


def _name_of(table: Mapping[str, Any]) -> str:
    if not isinstance(table.get("source"), str):
        raise ConfigurationError(
            f"a table needs a source, the name or path of one table, got {dict(table)}"
        )
    return str(table.get("name") or Path(table["source"]).name.partition(".")[0])


def _absolute(source: str) -> str:
    """The path of a file from the root, as a worker may run in another folder."""
    path = Path(source).expanduser()
    return str(path.absolute()) if is_file(path) else source


def _read_indices(places: str) -> dict[str, dict[str, Any]]:
    """The tables of all folders, those of the first folder first."""
    found = [_read_index(Path(place)) for place in places.split(os.pathsep) if place]
    twice = [name for name, times in Counter(n for i in found for n in i).items() if times > 1]
    if twice:
        raise ConfigurationError(
            f"the folders of tables {places} list {', '.join(map(repr, twice[:5]))} more than "
            "once: each table needs a name of its own"
        )
    return {name: facts for index in found for name, facts in index.items()}


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / _INDEX
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            entry["name"]: {
                "source": _absolute(str(folder / entry["file"])),
                "name": entry["name"],
                "target": entry["target"],
                "task": entry["task"],
                "domain": entry["domain"],
                "kinds": dict.fromkeys(entry["categorical"], "categorical"),
            }
            for entry in entries
        }
    except FileNotFoundError as error:
        raise ConfigurationError(f"the folder of tables has no {path}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is no index of tables: {error!r}") from error


@cache
def source_fingerprint(source: str) -> str:
    """SHA-256 over what a source holds, wherever it lies: the bytes of a file, or the raw cells.

    Raises:
        TableError: If it cannot be read.
    """
    path = Path(source).expanduser()
    if is_file(path):
        return of_file(path)
    frame = read_source(TableSpec(source)).frame
    return of_parts([frame.to_csv(index=False)])
