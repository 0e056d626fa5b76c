"""The weights that cells start from: known without building anything, or by building once.

A cell's key holds the checksum of its backbone's weights. What a configuration names is built, and
so run, by `study run` alone; every other command takes what packaged backbones say of themselves
(`Backbone.starting_checksum`) and what an earlier run noted beside its results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.files.digests import of_file, of_module
from lit_causalmix.names import resolve
from lit_causalmix.study.fit_config import FitCLI
from lit_causalmix.study.identity import content_hash
from lit_causalmix.study.store import Store


@dataclass(frozen=True)
class Start:
    """What a method on a backbone starts from.

    Attributes:
        config: Complete configuration of `fit`.
        backbone: Its backbone: `class_path` and `init_args`.
    """

    config: Mapping[str, Any]
    backbone: Mapping[str, Any]


Checksum = Callable[[Start], str | None]
"""Tells the checksum of the weights; None where it is unknown."""


def built(start: Start) -> str:
    """Builds all objects of a configuration, which checks them, and takes the weights' checksum.

    The weights are those without the parts of an adapter, which the configuration makes anew.

    Raises:
        LitCausalMixError: For what `fit` would refuse.
    """
    return of_module(FitCLI(start.config).model.plain_backbone())


def of_named(start: Start) -> str | None:
    """As `built`, where the backbone, or one within it, is given weights; otherwise None.

    Folders of folds tell by it whether weights are others: a path says nothing of what lies there.
    """
    return built(start) if _names_weights(start.backbone) else None


def built_and_noted(store: Store) -> Checksum:
    """As `built`; notes the checksum for the commands that build nothing.

    Args:
        store: Where it is noted.
    """

    def checksum(start: Start) -> str:
        found = built(start)
        if _packaged_checksum(start.backbone) is None:
            store.put_weights(_question(start.backbone), {"checksum": found})
        return found

    return checksum


def known(store: Store) -> Checksum:
    """Looks up; no class that a configuration names is called.

    Args:
        store: Where earlier runs noted checksums.
    """

    def checksum(start: Start) -> str | None:
        found = _packaged_checksum(start.backbone)
        if found is None:
            noted = store.weights(_question(start.backbone))
            found = None if noted is None else str(noted["checksum"])
        return found

    return checksum


def known_or_built(store: Store) -> Checksum:
    """Looks up, and builds what is not known."""
    look_up = known(store)

    def checksum(start: Start) -> str | None:
        return look_up(start) or built(start)

    return checksum


def _packaged_checksum(backbone: Mapping[str, Any]) -> str | None:
    """What a backbone of this package says of itself; a user's own is not asked, nor run."""
    kind = resolve(str(backbone["class_path"]))
    packaged = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    if not (packaged and isinstance(kind, type) and issubclass(kind, Backbone)):
        return None
    return kind.starting_checksum(backbone.get("init_args") or {})


def _names_weights(arguments: Mapping[str, Any]) -> bool:
    within = (value for value in arguments.values() if isinstance(value, Mapping))
    return bool(arguments.get("weights")) or any(map(_names_weights, within))


def _question(backbone: Mapping[str, Any]) -> str:
    """Content hash of what the weights depend on: the class, its source, arguments, named files."""
    path, arguments = str(backbone["class_path"]), backbone.get("init_args") or {}
    source = Path(inspect.getfile(resolve(path)))
    files = {text: list(_digests(Path(text).expanduser())) for text in _texts(arguments)}
    return content_hash([path, arguments, list(_digests(source)), files])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _digests(path: Path) -> Iterator[str]:
    """SHA-256 of a file, or of the files directly in a folder; nothing where there is neither."""
    try:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                yield of_file(file)
    except (OSError, ValueError):
        return  # no path at all, or a name that no file can have
