"""What a study is asked to do, as its YAML file declares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lit_causalmix.configuration.files import read_mapping
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.checked_json import is_number

_NAMED = ("methods", "backbones")


_LISTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tables": (lambda v: isinstance(v, str | Mapping), "names or mappings as in data.table"),
    "sizes": (lambda v: v is None or (is_number(v) and v >= 0), "numbers >= 0 or null"),
    "ratios": (lambda v: is_number(v) and 0 <= v <= 1, "numbers in [0, 1]"),
    "seeds": (lambda v: type(v) is int and v >= 0, "integers >= 0"),
    "grids": (lambda v: isinstance(v, Mapping), "mappings of axes"),
}
"""Field → whether a value may stand in its list, and what is to stand there."""


@dataclass(frozen=True)
class StudySpec:
    """The grid of a study: every combination of its axes is one fit, a cell.

    A piece of a `fit` configuration is written as in any configuration file; it may start from
    others by `config: NAME`, and a name alone stands for such a file. Later pieces hold over
    earlier ones: default.yaml, `base`, the backbone, the method, then the axes.

    Attributes:
        tables: Names out of the folder's index, the groups classification, regression or all, the
            halves development (to tune on) and report, built-in tables, or mappings as in
            `data.table`.
        methods: Name → piece of a `fit` configuration.
        backbones: Name → piece of a `fit` configuration.
        sizes: Synthetic rows in multiples of the training rows, null for fresh ones; empty takes
            what each method says. Methods without synthetic rows are not varied.
        ratios: Shares of synthetic rows, 0 to 1; empty takes what each method says. Methods of real
            or of synthetic rows alone are not varied.
        seeds: Each is the seed of split, generator and training alike.
        base: Piece of a `fit` configuration for every cell.
        grids: Several grids instead of one: each entry replaces some of the axes (of methods and
            backbones it names a choice), and the study is their union.
        tables_dir: Folder of CSV files with an index.json, or several, separated as in PATH; null
            takes LIT_CAUSALMIX_DATA.
    """

    tables: list[str | dict[str, Any]]
    methods: dict[str, Any]
    backbones: dict[str, Any] = field(default_factory=lambda: {"nano": None})
    sizes: list[float | None] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0])
    base: dict[str, Any] = field(default_factory=dict)
    grids: list[dict[str, Any]] = field(default_factory=list)
    tables_dir: str | None = None

    def __post_init__(self) -> None:
        for name in ("methods", "backbones", "base"):
            if not isinstance(getattr(self, name), Mapping):
                raise ConfigurationError(f"{name} is a mapping, got {getattr(self, name)!r}")
        for name, (fits, wanted) in _LISTS.items():
            value = getattr(self, name)
            if not isinstance(value, list) or not all(fits(item) for item in value):
                raise ConfigurationError(f"{name} is a list of {wanted}, got {value!r}")
        for name in ("tables", "methods", "backbones", "seeds"):
            if not getattr(self, name):
                raise ConfigurationError(f"a study needs one or more {name}, got none")

    def each_grid(self) -> list[StudySpec]:
        """The grids whose union the study is; the study itself where it declares none.

        Raises:
            ConfigurationError: If an entry of `grids` names what there is not.
        """
        return [self._varied(entry) for entry in self.grids] or [self]

    def _varied(self, entry: dict[str, Any]) -> StudySpec:
        axes = [f.name for f in fields(self) if f.name not in ("grids", "tables_dir", "base")]
        for name, value in entry.items():
            if name not in axes:
                raise ConfigurationError(
                    f"an entry of grids may replace {', '.join(axes)}, got {name!r}"
                )
            if name in _NAMED and not isinstance(value, list):
                raise ConfigurationError(f"{name} in grids is a list of their names, got {value!r}")
        chosen: dict[str, Any] = {
            name: self._chosen(name, value) if name in _NAMED else value
            for name, value in entry.items()
        }
        return replace(self, **chosen, grids=[])

    def _chosen(self, axis: str, names: list[str]) -> dict[str, Any]:
        known: dict[str, Any] = getattr(self, axis)
        for name in names:
            if name not in known:
                raise ConfigurationError(
                    f"grids name {name!r} of {axis}: there are {', '.join(known)}"
                )
        return {name: known[name] for name in names}


def read_study(path: Path, overrides: Mapping[str, Any]) -> StudySpec:
    """Reads a study from its YAML file.

    Args:
        path: The file.
        overrides: Fields that hold over the file's, wherever it says them: a grid's own axis is
            replaced, too, and one that grids alone vary stays as it is for the others.

    Raises:
        ConfigurationError: If the file is none, or does not declare a study.
    """
    content = read_mapping(path)
    known = [f.name for f in fields(StudySpec)]
    unknown = sorted(str(name) for name in set(content) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{path}: a study has no {', '.join(unknown)}; there are {', '.join(known)}"
        )
    values = _replaced(content, overrides)
    missing = [name for name in ("tables", "methods") if name not in values]
    if missing:
        raise ConfigurationError(f"{path}: a study needs {' and '.join(missing)}")
    return StudySpec(**values)


def _replaced(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    grids = overrides.get("grids", content.get("grids"))
    if not isinstance(grids, list) or not all(isinstance(entry, Mapping) for entry in grids):
        return {**content, **overrides}
    own = {name for entry in grids for name in entry}
    whole = {n: value for n, value in overrides.items() if n in content or n not in own}
    axes = {name: value for name, value in overrides.items() if name not in _NAMED}
    entries = [{n: axes.get(n, value) for n, value in entry.items()} for entry in grids]
    return {**content, **whole, "grids": entries}
