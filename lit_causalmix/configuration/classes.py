"""What a configuration may build: classes of the kind that a setting expects, and nothing else.

`class_path` can name anything that Python can import. Before anything is called, every one is
compared with the type of the argument that it is for: it has to be a class, derived from the class
of the annotation (for a `Callable`, from the class that it returns). Functions are never called.
The arguments of a class are checked in the same way, by its own annotations; what stands in an
argument without a type stays a mapping.
"""

from __future__ import annotations

import collections.abc
import inspect
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import public_name


def check_classes(parser: ArgumentParser, values: Namespace) -> None:
    """Refuses values of which something else would be built than its setting expects.

    Nothing is called; modules that a class path names are imported, as the parser does.

    Args:
        parser: The parser that made the values.
        values: Its result.

    Raises:
        ConfigurationError: For a function, or a class of another kind.
    """
    for action in parser._actions:
        if isinstance(action.choices, Mapping):  # commands, by name
            for name, subparser in action.choices.items():
                if isinstance(values.get(name), Namespace):
                    check_classes(subparser, values[name])
        elif hasattr(action, "_typehint"):
            value = _at(values, action.dest)
            if _names_class(value) and not tuple(_parts(action._typehint)):
                named = value["class_path"]
                raise ConfigurationError(f"{action.dest} takes no class, got {named!r}")
            _check(value, action._typehint, action.default, action.dest)


def expected_classes(hint: Any) -> tuple[type, ...]:
    """The classes that a value of some type may be built from.

    Example:
        >>> from collections.abc import Callable
        >>> expected_classes(list[Namespace] | str | None)
        (<class 'jsonargparse._namespace.Namespace'>,)
        >>> expected_classes(Callable[[int], Namespace])
        (<class 'jsonargparse._namespace.Namespace'>,)
    """
    return tuple(dict.fromkeys(part for part in _parts(hint) if isinstance(part, type)))


def resolve_class(path: str) -> Any:
    """What a class path names: an attribute of a module, or of a class in it.

    Raises:
        ConfigurationError: If there is no such thing, or its module cannot be imported.
    """
    module, _, name = path.rpartition(".")
    outer, _, inner = module.rpartition(".")
    for place, names in ((module, (name,)), (outer, (inner, name))):
        try:
            found: Any = import_module(place)
            for part in names:
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError):
            continue
        return found
    raise ConfigurationError(f"there is no class {path}")


def _at(values: Any, dest: str) -> Any:
    for name in dest.split("."):
        if not isinstance(values, Mapping | Namespace) or name not in values:
            return None
        values = values[name]
    return values


_FUNCTION = "function"
_ABSTRACT = (
    "Collection",
    "Iterable",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "MutableSet",
    "Sequence",
    "Set",
)
_DATA = {
    *(bool, bytes, complex, dict, float, frozenset, int, list, range, set, str, tuple),
    *(Path, PurePath, os.PathLike),
    *(getattr(collections.abc, name) for name in _ABSTRACT),
}
"""Types of plain data and its containers: of these the parser builds no class that is named."""


def _parts(hint: Any) -> Iterator[Any]:
    """The classes in a type, `_FUNCTION` for a callable that returns none; plain data gives none.

    What is neither is given as it is, and then matches no class.
    """
    origin = get_origin(hint)
    # The parser's own type for what it cannot validate: of its values, too, nothing is built.
    unvalidated = any(kind.__name__ == "UnvalidatedType" for kind in type(hint).__mro__)
    if unvalidated or hint in (Any, object, None, type(None)) or origin is Literal:
        return
    if isinstance(hint, TypeVar):
        yield from _parts(hint.__bound__ or Any)
    elif isinstance(hint, NewType):
        yield from _parts(hint.__supertype__)
    elif hint is Callable or origin is Callable or origin is types.FunctionType:
        yield from _returned(hint)
    elif origin is type or hint is type or hint is Ellipsis:
        return  # the class itself is the value: it is not called
    elif origin in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _parts(part)
    elif origin is Annotated:
        yield from _parts(get_args(hint)[0])
    elif origin in _DATA:
        for part in get_args(hint):
            yield from _parts(part)
    elif isinstance(origin or hint, type):
        if (origin or hint) not in _DATA:
            yield origin or hint
    else:
        yield hint


def _returned(hint: Any) -> Iterator[Any]:
    returned = [part for part in _parts((get_args(hint) or (Any,))[-1]) if isinstance(part, type)]
    yield from returned or (_FUNCTION,)


def _check(value: Any, hint: Any, default: Any, where: str) -> None:
    parts = tuple(_parts(hint))
    if value is default or not parts or _is_default(value, default):
        return
    if _names_class(value):
        _check_class(value, parts, where)
    elif isinstance(value, Mapping | Namespace):
        _check_items(value, hint, parts, where)
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            _check(item, hint, default, f"{where}[{number}]")
    elif _FUNCTION in parts and isinstance(value, str) and str not in _leaves(hint):
        raise ConfigurationError(_refusal(where, f"{value!r} names a function", parts))
    elif inspect.isroutine(value) or isinstance(value, partial):
        name = getattr(value, "__qualname__", repr(value))
        raise ConfigurationError(_refusal(where, f"{name} is a function", parts))


def _is_default(value: Any, default: Any) -> bool:
    """Whether a function is an argument's default, which the parser keeps by its name."""
    if not (inspect.isroutine(value) and isinstance(default, str) and "." in default):
        return False
    return resolve_class(default) is value


def _leaves(hint: Any) -> tuple[Any, ...]:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return tuple(leaf for part in get_args(hint) for leaf in _leaves(part))
    return (hint,)


def _names_class(value: Any) -> bool:
    return isinstance(value, Mapping | Namespace) and "class_path" in value


def _check_items(value: Any, hint: Any, parts: tuple[Any, ...], where: str) -> None:
    """The items of a mapping: arguments of a class that the type implies, or values by name."""
    implied = [part for part in parts if isinstance(part, type)]
    actions = _arguments(implied[0]) if len(implied) == 1 else ()
    _check_arguments(actions, value, where)
    known = {action.dest.partition(".")[0] for action in actions}
    for name, item in _items(value):
        if name not in known:
            _check(item, hint, None, f"{where}.{name}")


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items() if isinstance(value, Mapping) else vars(value).items())


def _check_arguments(actions: Iterable[Any], values: Any, where: str) -> None:
    for action in actions:
        value = _at(values, action.dest)
        _check(value, action._typehint, action.default, f"{where}.{action.dest}")


def _check_class(value: Any, parts: tuple[Any, ...], where: str) -> None:
    path = value["class_path"]
    if not isinstance(path, str):
        raise ConfigurationError(f"{where}.class_path is the name of a class, got {path!r}")
    kind = resolve_class(path)
    if not isinstance(kind, type):
        what = "function" if callable(kind) else type(kind).__name__
        raise ConfigurationError(_refusal(where, f"{path} is a {what}", parts))
    if not any(isinstance(base, type) and _derives(kind, base) for base in parts):
        raise ConfigurationError(_refusal(where, f"{path} is another class", parts))
    given = value.get("init_args")
    if not given:
        return
    if not isinstance(given, Mapping | Namespace):
        raise ConfigurationError(f"{where}.init_args is a mapping of arguments, got {given!r}")
    _check_arguments(_arguments(kind), given, where)


def _derives(kind: type, base: type) -> bool:
    try:
        return issubclass(kind, base)
    except TypeError:  # a protocol that cannot be compared with
        return False


@cache
def _arguments(kind: type) -> tuple[Any, ...]:
    """The arguments of a class that have a type, as the parser itself sees them."""
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_class_arguments(kind, fail_untyped=False)
    return tuple(action for action in parser._actions if hasattr(action, "_typehint"))


def _refusal(where: str, received: str, parts: tuple[Any, ...]) -> str:
    names = dict.fromkeys(public_name(part) for part in parts if isinstance(part, type))
    if not names:
        return f"{where} takes a function, and a configuration can name none: {received}"
    return f"{where}: {received}; a class derived from {' or '.join(names)} is needed"
