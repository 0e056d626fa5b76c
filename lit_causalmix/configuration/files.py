"""Which files a configuration is read from, and what a text may hold to be read as YAML."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from lit_causalmix.errors import ConfigurationError

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 100_000
"""Limits of one text; the largest packaged configuration has 2 kB, 6 levels and 100 values."""

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def config_folder() -> Path:
    """The folder of the YAML files that come with the package."""
    return Path(str(files("lit_causalmix.configs")))


def with_packaged_configs(args: Any) -> Any:
    """Lets `--config NAME` stand for a YAML file that comes with the package.

    Raises:
        ConfigurationError: For a file that cannot be read as a configuration.
    """
    resolved = list(args)
    for position, argument in enumerate(resolved):
        option, equals, value = argument.partition("=")
        if option not in ("--config", "-c"):
            continue
        if equals:
            resolved[position] = f"{option}={_config_path(value)}"
        elif position + 1 < len(resolved):
            resolved[position + 1] = _config_path(resolved[position + 1])
    return resolved


def _config_path(value: str) -> str:
    try:
        path = Path(value)
        if path.is_dir() or not path.exists():  # a folder of that name hides no configuration
            name = value.removeprefix(f"configs{os.sep}").removesuffix(".yaml")
            packaged = config_folder() / f"{name}.yaml"
            if packaged.is_file():
                path = packaged
            elif not path.exists():
                return value  # the parser says what it makes of it
    except (OSError, ValueError):  # too long for a path, or with a null byte: YAML itself, perhaps
        return value
    read_mapping(path, name=value)
    return str(path)


def read_mapping(path: Path, *, name: str | None = None) -> dict[str, Any]:
    """Reads a YAML file that has to hold a mapping.

    Args:
        path: The file.
        name: What messages call it.

    Raises:
        ConfigurationError: If it is no readable file, no YAML, too large, or no mapping.
    """
    name = str(path) if name is None else name
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(
                f"{name} has {path.stat().st_size:,} bytes; a configuration has at most "
                f"{MAX_BYTES:,}"
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name} is not UTF-8, as YAML has to be: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from error
    try:
        check_yaml(text)
        content = yaml.load(text, Loader=_Loader)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error
    except (
        Exception
    ) as error:  # YAML's own, or what Python makes of "!!timestamp x" or "2024-99-99"
        raise ConfigurationError(f"{name} is not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigurationError(f"{name} holds no configuration: a mapping is needed, got {kind}")
    return content


def check_yaml(text: str) -> None:
    """Refuses a text whose values, with every alias written out, are too many or nested too deep.

    So it does a mapping with the same key twice, of which YAML would drop the first. It looks at
    the parser's events alone, so that nothing is built before it is known to be small.

    Raises:
        ConfigurationError: With the limit, or the key.
        yaml.YAMLError: If it is no YAML.

    Example:
        >>> check_yaml("{a: [1, 2], b: x}")
        >>> check_yaml("[" * 50 + "]" * 50)
        Traceback (most recent call last):
        ...
        lit_causalmix.errors.ConfigurationError: YAML nested more than 40 levels deep
    """
    if len(text) > MAX_BYTES:
        raise ConfigurationError(
            f"a configuration has at most {MAX_BYTES:,} characters, got {len(text):,}"
        )
    sizes: dict[str, tuple[int, int]] = {}  # values and levels below each finished anchor
    open_nodes: list[_Node] = [_Node()]
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ConfigurationError(f"YAML alias *{event.anchor} names no finished value")
            open_nodes[-1].add(*sizes[event.anchor])
        elif isinstance(event, yaml.CollectionStartEvent):
            mapping = isinstance(event, yaml.MappingStartEvent)
            open_nodes.append(_Node(event.anchor, mapping=mapping))
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            if isinstance(event, yaml.ScalarEvent):
                open_nodes[-1].check_key(event)
                node = _Node(event.anchor)
            else:
                node = open_nodes.pop()
            if node.anchor is not None:
                sizes[node.anchor] = (node.values, node.levels)
            open_nodes[-1].add(node.values, node.levels)
        if len(open_nodes) + open_nodes[-1].levels > MAX_DEPTH + 1:
            raise ConfigurationError(f"YAML nested more than {MAX_DEPTH} levels deep")
        if open_nodes[-1].values > MAX_VALUES:
            raise ConfigurationError(
                f"YAML of more than {MAX_VALUES:,} values, with every alias written out"
            )


class _Node:
    """A collection that is being read: how many values it holds, and how deep it goes."""

    def __init__(self, anchor: str | None = None, *, mapping: bool = False) -> None:
        self.anchor = anchor
        self.values = 1
        self.levels = 0
        self._mapping = mapping
        self._children = 0
        self._keys: set[str] = set()

    def check_key(self, event: yaml.ScalarEvent) -> None:
        """Refuses a scalar that comes next and is a key that the mapping has; `<<` is none."""
        if not self._mapping or self._children % 2 or event.value == "<<":
            return
        if event.value in self._keys:
            where = (
                "" if event.start_mark is None else f", again in line {event.start_mark.line + 1}"
            )
            raise ConfigurationError(
                f"YAML key {event.value!r} stands twice in one mapping{where}: leave one of them"
            )
        self._keys.add(event.value)

    def add(self, values: int, levels: int) -> None:
        self._children += 1
        self.values += values
        self.levels = max(self.levels, levels + 1)
