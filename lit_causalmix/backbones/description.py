"""A backbone in JSON: its class and what makes one of the same form, to load weights into."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.errors import ConfigurationError, ModelError, shortened
from lit_causalmix.names import public_name

_OWN, _BACKBONES = "lit_causalmix", "lit_causalmix.backbones"

_own_code_allowed: ContextVar[bool] = ContextVar("own_code_allowed", default=False)
"""What the reading under way allows: a backbone that wraps another one has no argument for it."""


def described(backbone: Backbone) -> dict[str, Any]:
    """The class of a backbone and `Backbone.arguments`, as JSON values.

    Raises:
        ConfigurationError: If an argument is no JSON value.

    Example:
        >>> from lit_causalmix.backbones import Tab2D
        >>> found = described(Tab2D(dim=8, n_layers=1))
        >>> found["class"], found["arguments"]["dim"]
        ('lit_causalmix.backbones.Tab2D', 8)
    """
    name, arguments = public_name(type(backbone)), backbone.arguments()
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{name} cannot be described in JSON ({error}): override its `arguments` and `rebuilt`"
        ) from error
    return {"class": name, "arguments": arguments}


def rebuilt(description: Mapping[str, Any], *, own_code: bool | None = None) -> Backbone:
    """Makes a backbone of the form that is described; its weights are still to be loaded.

    Args:
        description: What `described` gave.
        own_code: Whether the module of a class from outside this package may be imported. One that
            is imported already is found in any case. None is what holds for the backbone that is
            being rebuilt around this one, and no where there is none.

    Raises:
        ModelError: If there is no such class, it is no backbone, it takes other arguments, or its
            weights are said to lie elsewhere.
    """
    allowed = _own_code_allowed.get() if own_code is None else own_code
    kind, arguments = _kind(str(description["class"]), allowed), description["arguments"]
    _check_no_path(kind, arguments)
    outer = _own_code_allowed.set(allowed)
    try:
        return kind.rebuilt(arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the backbone {description['class']} of this version cannot be made from the "
            f"arguments that were kept: {error}"
        ) from error
    finally:
        _own_code_allowed.reset(outer)


def _kind(path: str, own_code: bool) -> type[Backbone]:
    module, _, name = path.rpartition(".")
    own = _is_own(module, _OWN)
    if own and not _is_own(module, _BACKBONES):  # others do things when imported: `__main__` runs
        raise ModelError(f"{path} is no backbone")
    if not own and module not in sys.modules and not own_code:
        raise ModelError(
            f"the backbone {path} comes from outside this package: import {module or 'it'} first, "
            "or allow it by own_code=True (--own-code), if you trust it"
        )
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(f"there is no backbone {path} here: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Backbone)):
        raise ModelError(f"{path} is no backbone")
    return kind


def _is_own(module: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return module == package or module.startswith(f"{package}.")


def _check_no_path(kind: type[Backbone], arguments: Mapping[str, Any]) -> None:
    """Refuses a place of weights for a class of this package, which describes itself without one.

    Raises:
        ModelError: As building it would read a file, or fetch one.
    """
    if _is_own(kind.__module__, _OWN) and arguments.get("weights") is not None:
        raise ModelError(
            f"a kept model holds its weights itself, and this one names others for "
            f"{kind.__name__}: {shortened(repr(arguments['weights']))}"
        )
