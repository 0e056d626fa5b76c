"""Packages that some parts need, which only an extra of this one installs."""

from __future__ import annotations

import importlib
from typing import Any

from lit_causalmix.errors import ConfigurationError


def needed(module: str, *, extra: str, by: str = "this backbone") -> Any:
    """Imports a module of an optional package.

    Args:
        module: Its import path.
        extra: The extra of this package that installs it.
        by: What needs it, for the message.

    Raises:
        ConfigurationError: If the package is not installed, naming the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ConfigurationError(
            f"{by} needs the package {package}: pip install 'lit-causalmix[{extra}]'"
        ) from error
