"""Laying one piece of a configuration over another."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from lit_causalmix.errors import ConfigurationError

_APPEND = "+"
_PACKAGES = ("lit_causalmix", "lightning", "pytorch_lightning")


def merged(*pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Lays configurations over each other; the later one holds where both speak.

    Mappings are merged key by key, everything else is replaced. `name+: [...]` appends to the
    list `name`, now or when it is laid over one, as jsonargparse does. An object of another class
    replaces the whole object, as the arguments of one class mean nothing to another. The pieces
    stay as they are.

    Args:
        *pieces: JSON values, in rising precedence.

    Raises:
        ConfigurationError: If a key is no text, as YAML's `1.5: x` makes it.

    Example:
        >>> merged({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}})
        {'a': 1, 'b': {'c': 2, 'd': 3}}
    """
    result: dict[str, Any] = {}
    for piece in pieces:
        result = _over(result, piece)
    return result


def class_name(listed: Any) -> str:
    """The short name of a class in a configuration: a mapping with `class_path`, or its path alone.

    Example:
        >>> class_name({"class_path": "lit_causalmix.callbacks.FGSM"}), class_name("FGSM")
        ('FGSM', 'FGSM')
    """
    path = listed["class_path"] if isinstance(listed, Mapping) else listed
    return str(path).rpartition(".")[2]


def is_packaged(listed: Any, names: Collection[str]) -> bool:
    """Whether a class in a configuration is one of these of this package or of Lightning.

    A class of the user's own may bear the same short name, and is another.

    Args:
        listed: As for `class_name`; a short name alone is that of a packaged class.
        names: Short names.

    Example:
        >>> is_packaged("lightning.pytorch.callbacks.ModelCheckpoint", ["ModelCheckpoint"])
        True
        >>> is_packaged("mine.ModelCheckpoint", ["ModelCheckpoint"])
        False
    """
    path = str(listed["class_path"] if isinstance(listed, Mapping) else listed)
    root = path.partition(".")[0]
    return class_name(listed) in names and root in (path, *_PACKAGES)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        if not isinstance(name, str):
            raise ConfigurationError(
                f"every key of a configuration is text, got {name!r}; quote it if it is a name"
            )
        if not name.endswith(_APPEND):
            result.pop(f"{name}{_APPEND}", None)
            result[name] = _joined(result.get(name), value)
            continue
        plain = name.removesuffix(_APPEND)
        # Without a list to append to it stays an addition, to a piece that may lie further below.
        place = plain if plain in result else name
        added = value if isinstance(value, list) else [value]
        result[place] = [*(result.get(place) or []), *copy.deepcopy(added)]
    return result


def _joined(below: Any, above: Any) -> Any:
    if isinstance(above, Mapping) and (below is None or isinstance(below, Mapping)):
        if below is None or _changes_class(below, above):
            return _over({}, above)
        return _over(below, above)
    return copy.deepcopy(above)


def _changes_class(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    if "class_path" not in above:
        return False
    old, new = str(below.get("class_path", "")), str(above["class_path"])
    return old.rpartition(".")[2] != new.rpartition(".")[2]  # a class may be named in full or short
