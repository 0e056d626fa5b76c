"""JSON from outside as values that are safe to handle, or one line about what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from lit_causalmix.errors import ConfigurationError

LONGEST = 1 << 24
"""Bytes of the longest text; a record of the kept studies has ten thousand."""

DEEPEST = 40
"""Levels of the deepest nesting."""

LARGEST = 1e100
"""Bound on numbers; its square is a number, too."""


class RecordError(ConfigurationError):
    """A text is no record; the message says where, and what was found there."""


def parse_json(text: str | bytes) -> Any:
    """Reads JSON values that are safe to handle: finite, encodable, not too deep, no name twice.

    Raises:
        RecordError: With what is wrong.
    """
    if len(text) > LONGEST:
        raise RecordError(f"it is longer than {LONGEST >> 20} MiB")
    try:
        content = json.loads(text, parse_constant=_no_number, object_pairs_hook=_without_repeats)
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is no JSON: {error or type(error).__name__}") from error
    _check_values(content)
    return content


def is_number(value: Any) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(name: str) -> NoReturn:
    raise RecordError(f"it has {name} for a number")


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"the name {shown(repeated)} stands twice in one object")
    return content


def _check_values(content: Any) -> None:
    """Refuses what JSON allows and no reader expects, wherever it stands."""
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise RecordError(f"it is nested more than {DEEPEST} levels deep")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value)
            elif isinstance(value, int | float):
                _check_number(value)
        level = below


def _check_text(value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RecordError(f"the text {shown(value)} is no Unicode") from error


def _check_number(value: float) -> None:
    if not -LARGEST < value < LARGEST:  # nor infinite, as 1e999 is
        raise RecordError(f"the number {shown(value)} is too large")


def shown(value: object) -> str:
    """A short form of a value from outside, for messages of one line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
