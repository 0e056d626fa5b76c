"""What a fit starts from: `default.yaml`, and over it what the backbone recommends.

A backbone names the settings that its fine-tuning should have (`Backbone.recommended`). Command
line, estimators and studies lay them under everything that the user says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_causalmix import backbones
from lit_causalmix.backbones import Backbone, Nano
from lit_causalmix.backbones.wrapping import WrappingBackbone
from lit_causalmix.configuration import config_folder
from lit_causalmix.configuration.classes import resolve_class
from lit_causalmix.configuration.files import read_mapping
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.merging import merged

DEFAULT_BACKBONE = f"{backbones.__name__}.{Nano.__name__}"
_DEFAULT = "default"


def starting_files(*pieces: Mapping[str, Any]) -> list[Path]:
    """The YAML files that a fit starts from, in rising precedence.

    Args:
        *pieces: What the user says, in rising precedence; only the backbone is looked at, by its
            class alone, and nothing of it is called.

    Example:
        >>> [path.name for path in starting_files()]
        ['default.yaml', 'nano.yaml']
        >>> asked = {"model": {"backbone": {"class_path": "Tab2D"}}}
        >>> [path.name for path in starting_files(asked)]
        ['default.yaml']
    """
    name = _recommended(_asked_backbone(pieces))
    return [config_folder() / f"{name}.yaml" for name in (_DEFAULT, name) if name is not None]


def starting_fragment(*pieces: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in `starting_files`, and the backbone's class where pieces only set it."""
    named = {"model": {"backbone": {"class_path": DEFAULT_BACKBONE}}}
    more = [named] if is_unnamed(*pieces) else []
    return merged(*map(read_mapping, starting_files(*pieces)), *more)


def is_unnamed(*pieces: Mapping[str, Any]) -> bool:
    """Whether pieces set the backbone without naming its class, which means the default's.

    Example:
        >>> is_unnamed({"model": {"backbone": {"init_args": {"version": 1}}}})
        True
        >>> is_unnamed({"model": {"backbone": "Tab2D"}}, {"model": {"backbone": {"dim": 32}}})
        False
    """
    asked = _asked_backbone(pieces)
    return isinstance(asked, Mapping) and not {"class_path", "help"} & asked.keys()


def _asked_backbone(pieces: tuple[Mapping[str, Any], ...]) -> Any:
    """The backbone that pieces ask for together; None where no piece names one."""
    named = []
    for piece in pieces:
        model = piece.get("model")
        asked = model.get("backbone") if isinstance(model, Mapping) else None
        named.append({"backbone": {"class_path": asked} if isinstance(asked, str) else asked})
    return merged(*(piece for piece in named if piece["backbone"] is not None)).get("backbone")


def _recommended(asked: Any) -> str | None:
    kind = Nano if asked is None else _class(asked)
    if kind is None:
        return None
    if issubclass(kind, WrappingBackbone):
        within = (asked.get("init_args") or {}).get("backbone")
        return None if within is None else _recommended(within)
    return kind.recommended


def _class(asked: Any) -> type[Backbone] | None:
    """The class of a backbone; None for what is none, which the parser refuses with the reason."""
    path = str(asked.get("class_path", DEFAULT_BACKBONE) if isinstance(asked, Mapping) else asked)
    try:
        found = resolve_class(path) if "." in path else getattr(backbones, path, None)
    except ConfigurationError:
        return None
    return found if isinstance(found, type) and issubclass(found, Backbone) else None
