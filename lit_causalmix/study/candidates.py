"""The candidates of `auto`: recipes laid over settings that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from lit_causalmix.ensembles.comparison import AutoSettings
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.fit_config import read_fragment
from lit_causalmix.study.merging import merged

KEY = "auto"
"""Where the settings stand in a configuration."""

_OWN = ("model", "data", "trainer")
_SHARED: Mapping[str, tuple[str, ...]] = {
    "data": (
        *("table", "split", "folds", "fold", "seed"),
        *("context", "context_selection", "val_synthetic_rows"),
    ),
    "model": ("backbone", "selection", "metrics"),
    "trainer": ("accelerator", "devices", "strategy", "logger", "default_root_dir"),
}
"""What makes scores comparable: the rows, zero-shot, and what is scored."""


def without_auto(
    config: Mapping[str, Any],
) -> tuple[AutoSettings | None, dict[str, Any]]:
    """Takes the settings of `auto` out of a configuration, recipes as what they say.

    Args:
        config: JSON values.

    Returns:
        The settings, None where there are none, and the rest.

    Raises:
        ConfigurationError: For settings that there are not, and what `read_candidates` refuses.
    """
    rest = {name: value for name, value in config.items() if name != KEY}
    given = config.get(KEY)
    if given is None:
        return None, rest
    known = [f.name for f in fields(AutoSettings)]
    unknown = [name for name in given if name not in known] if isinstance(given, Mapping) else [""]
    if unknown:
        raise ConfigurationError(f"auto takes {', '.join(known)}, got {given!r}")
    settings = AutoSettings(**{"candidates": [], **given})
    read = [{"name": name, **found} for name, found in read_candidates(settings).items()]
    return replace(settings, candidates=read), rest


def read_candidates(settings: AutoSettings) -> dict[str, dict[str, Any]]:
    """What the recipes say, by the names of the candidates.

    Raises:
        ConfigurationError: For a recipe that there is not, or one that changes what all share.
    """
    return {name: _read(name, recipe) for name, recipe in settings.recipes.items()}


def _read(name: str, recipe: Any) -> dict[str, Any]:
    found = read_fragment({"config": recipe} if isinstance(recipe, list) else recipe)
    found.pop("name", None)
    for section, values in found.items():
        if section not in _OWN:
            raise ConfigurationError(
                f"candidate {name!r} of auto sets {section}: a recipe sets {', '.join(_OWN)}"
            )
        for setting in values:
            if setting in _SHARED[section]:
                raise ConfigurationError(
                    f"candidate {name!r} of auto sets {section}.{setting}, which all candidates "
                    "share, as their scores are compared: set it beside auto"
                )
    return found


def of_zero_shot(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a model that is not trained: it needs no generator, and no episode."""
    untrained = {"synthetic_ratio": 0.0, "val_synthetic_rows": 0, "episode_rows": None}
    return merged(config, {"data": untrained})
