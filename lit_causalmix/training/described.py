"""Objects of a configuration as plain values, to be kept in checkpoints and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_causalmix.names import public_name


def described_object(value: object, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Class of an object and those of its settings that are public, and plain, as texts.

    Example:
        >>> described_object(3, {"a": 0.5, "_b": 1, "c": [2]})
        {'class': 'builtins.int', 'settings': {'a': '0.5'}}
    """
    plain = {
        name: str(setting)
        for name, setting in settings.items()
        if isinstance(setting, bool | int | float | str) and not name.startswith("_")
    }
    return {"class": public_name(type(value)), "settings": plain}


def in_words(described: Mapping[str, Any] | None) -> str:
    """What `described_object` described, for messages; "none" for None.

    Example:
        >>> in_words({"class": "torch.optim.lr_scheduler.StepLR", "settings": {"step_size": "3"}})
        'torch.optim.lr_scheduler.StepLR(step_size=3)'
    """
    if described is None:
        return "none"
    settings = ", ".join(f"{name}={value}" for name, value in described["settings"].items())
    return f"{described['class']}({settings})"
