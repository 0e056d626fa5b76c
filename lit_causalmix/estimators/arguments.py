"""What the arguments of an estimator may be: their types, before anything is made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables.cells import canonical_label


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    listed = isinstance(value, Sequence) and len(value) > 0
    return isinstance(value, str) or (listed and all(isinstance(name, str) for name in value))


def _label(value: Any) -> bool:
    try:
        canonical_label(value)
    except (TypeError, ValueError, ArithmeticError):
        return False
    return True


def _weights(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_label, value)) and all(map(_number, value.values()))
    return isinstance(value, str) and value == "balanced"


_OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "method": (_names, "the name of a recipe, a list of one or more of them, or None"),
    "backbone": (
        lambda value: isinstance(value, str | Mapping),
        "the name of a recipe or class, a mapping with class_path and init_args, or None",
    ),
    "max_steps": (_whole, "a whole number of steps, or None"),
    "time_limit": (_number, "a number of seconds, or None"),
    "class_weight": (_weights, "'balanced', a mapping from labels to numbers, or None"),
    "run_folder": (lambda value: isinstance(value, str | os.PathLike), "a path, or None"),
}
_REQUIRED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "folds": (_whole, "a whole number"),
    "device": (lambda value: isinstance(value, str), "auto, cpu, cuda, cuda:1 or mps, as text"),
    "verbose": (lambda value: isinstance(value, Integral | np.bool_), "a whole number"),
}


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuses arguments of another type; ranges are for those to check who use the values.

    Args:
        given: Arguments of an estimator by their names; some may be absent.

    Raises:
        ConfigurationError: With the first that is not what it may be.

    Example:
        >>> check_arguments({"folds": 3, "max_steps": None})
    """
    for name, value in given.items():
        if name in _OPTIONAL and value is None:
            continue
        holds, rule = _OPTIONAL.get(name) or _REQUIRED.get(name) or (lambda _: True, "")
        if not holds(value):
            raise ConfigurationError(f"{name} is {rule}, got {value!r}")
