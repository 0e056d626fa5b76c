"""Settings of datamodules that lie outside their range, refused in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

from lit_causalmix.errors import ConfigurationError, TableError


def check_choices(**settings: tuple[str, Any]) -> None:
    """Refuses values that are none of their `Literal`.

    Args:
        settings: By name, the value and the type.

    Raises:
        ConfigurationError: With the values that there are.

    Example:
        >>> from typing import Literal
        >>> check_choices(synthetic_mode=("add", Literal["replace", "add"]))
    """
    for name, (value, kind) in settings.items():
        if value not in get_args(kind):
            *others, last = get_args(kind)
            raise ConfigurationError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def check_least(least: int, rule: str = "", **settings: float | None) -> None:
    """Refuses numbers below the least one, infinite ones and those that are none; None passes.

    Args:
        least: The least number.
        rule: What else they may be, in words: "null or".
        settings: The numbers by name.

    Raises:
        ConfigurationError: With the rule.

    Example:
        >>> check_least(1, "null or", episode_rows=None)
    """
    must = " ".join((rule, f">= {least}")).strip()
    for name, value in settings.items():
        if value is not None and not least <= value < math.inf:
            finite = " and finite" if value == math.inf else ""
            raise ConfigurationError(f"{name} must be {must}{finite}, got {value}")


def check_together(names: Sequence[str], classify: Sequence[bool]) -> None:
    """Refuses tables that one model cannot learn from.

    Args:
        names: Of the tables.
        classify: Whether the targets of each are classes.

    Raises:
        TableError: If the names are not different, or the tasks of different kinds.
    """
    if len(set(names)) < len(names):
        raise TableError(
            f"the tables need different names, got {', '.join(names)}: give them one each "
            "(data.tables: [{source: …, name: …}])"
        )
    if len(set(classify)) > 1:
        classes, numbers = (
            ", ".join(name for name, found in zip(names, classify, strict=True) if found is kind)
            for kind in (True, False)
        )
        raise TableError(
            f"the tables must all be classification or all regression: {classes} have classes, "
            f"{numbers} numbers to predict"
        )
