"""The parser's messages in one line, with what was probably meant."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lit_causalmix.configuration.classes import expected_classes
from lit_causalmix.names import meant

_NOISE = re.compile(
    r"Expected a path but .* either not accessible or invalid"
    r"|Does not validate against any of the Union subtypes"
    r"|(Errors|Subtypes|Given value type|Given value)\b.*"
    r"|Expected a <class 'NoneType'>.*"
    r"|Problem with given class_path .*:"
    r"|Not a valid subclass of .*|Subclass types expect one of:"
    r"|a (class path|dict with|dict without) .*"
)
_OPTION = re.compile(
    r"(?:option|Option) '([^']+)'|unrecognized arguments: (.+)|(?:key|Key) '([^']+)'"
)
_KEY = re.compile(r'Parser key "([^"]+)"')
_VALUE = re.compile(r"Given value: (.*)|Got value: (.*)")
_PLAIN = (
    (re.compile(r"Type typing\.Callable.* expects a function or a callable class: "), ""),
    (re.compile(r",? denied by the '.*' entry of the import path denylist.*"), ""),
    (re.compile(r"Expected a typing\.Literal\[(.*?)\]\. Got value: "), r"must be one of \1, got "),
    (re.compile(r"\.+ Got value: (Namespace|NestedArg)\(.*"), ""),
    (re.compile(r"(^|: )Parser key "), r"\1"),
    (re.compile(r"<class '([\w.]+)'>"), r"\1"),
    (re.compile(r"(arguments are required: )(?:fit|validate|test|predict)\."), r"\1--"),
    (re.compile(r"Expected a dot import path string: (.+)"), r"no class is called \1"),
)
"""What of a message speaks of the parser's inside, and what stands in its place."""
_LONGEST = 400


def explained(message: str, parser: Any) -> str:
    """A message of the parser in one line, without what repeats itself, and with suggestions.

    Args:
        message: The parser's, of many lines.
        parser: The parser, which knows the options.
    """
    hint = _option_meant(message, parser) or _class_meant(message, parser)
    lines = (line.strip().removeprefix("- ").strip() for line in message.splitlines())
    kept = dict.fromkeys(line for line in lines if line and not _NOISE.fullmatch(line))
    text = " ".join(kept)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    if text.endswith(":"):  # nothing but noise came behind the key
        text += " a class is expected (class_path), named before its settings (init_args)"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} …"
    return f"{text}{hint}"


def _option_meant(message: str, parser: Any) -> str:
    found = _OPTION.search(message)
    if found is None:
        return ""
    words = next(group for group in found.groups() if group is not None).split()
    name = words[0].lstrip("-").partition("=")[0] if words else ""
    key = _KEY.search(message)
    if key is None:
        return meant(name, _dests(parser))
    known: set[str] = set()
    for kind in _kinds(parser, key[1]):
        known.update(inspect.signature(kind.__init__).parameters)  # type: ignore[misc]
    return meant(name, known - {"self"})


def _dests(parser: Any) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action.choices, Mapping):
            for subparser in action.choices.values():
                yield from _dests(subparser)
        elif action.option_strings:
            yield action.dest.removesuffix(".help")


def _class_meant(message: str, parser: Any) -> str:
    key, value = _KEY.search(message), _VALUE.search(message)
    if key is None or value is None:
        return ""
    given = re.search(r"class_path'?[:=] ?'?([\w.]+)|^([\w.]+)$", value[1] or value[2] or "")
    if given is None:
        return ""
    name = (given[1] or given[2]).rpartition(".")[2]
    known = {kind.__name__ for kind in _kinds(parser, key[1])}
    return "" if name in known else meant(name, known)


def _kinds(parser: Any, dest: str) -> set[type]:
    """The classes that a setting may name, as far as they are imported."""
    bases = {base for hint in _hints(parser, dest) for base in expected_classes(hint)}
    return {kind for base in bases for kind in _derived(base)}


def _hints(parser: Any, dest: str) -> Iterator[Any]:
    for action in parser._actions:
        if isinstance(action.choices, Mapping):
            for name, subparser in action.choices.items():
                yield from _hints(subparser, dest.removeprefix(f"{name}."))
        elif hasattr(action, "_typehint") and dest in (action.dest, f"{action.dest}+"):
            yield action._typehint


def _derived(base: type) -> set[type]:
    """A class and all that derive from it, as far as they are imported."""
    found = {base}
    todo = [base]
    while todo:
        below: list[type] = type.__subclasses__(todo.pop())
        new = [kind for kind in below if kind not in found]
        found.update(new)
        todo += new
    return found
