"""The list of callbacks, of which recipes replace single ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

OWN = "lit_causalmix.callbacks."
_LIST = "trainer.callbacks"


def each_once(callbacks: Sequence[Any]) -> list[Any]:
    """Lets a callback of this package stand once: the last of a class, at the place of the first.

    So `callbacks+:` replaces one of a longer list. Of other classes there may be several, such as
    two of Lightning's `ModelCheckpoint`.

    Args:
        callbacks: Each with its whole `class_path`, as a parser reads them.

    Example:
        >>> path = "lit_causalmix.callbacks.EMAWeights"
        >>> half = Namespace(class_path=path, init_args=Namespace(decay=0.5))
        >>> each_once([Namespace(class_path=path), half]) == [half]
        True
    """
    found: dict[Any, Any] = {}
    for position, callback in enumerate(callbacks):
        path = str(getattr(callback, "class_path", ""))
        found[path if path.startswith(OWN) else position] = callback
    return list(found.values())


def with_each_once(settings: Namespace) -> Namespace:
    """Settings of `fit` with `each_once`; the given ones stay as they are."""
    callbacks = settings.get(_LIST)
    if not isinstance(callbacks, list) or len(once := each_once(callbacks)) == len(callbacks):
        return settings
    result = settings.clone()
    result[_LIST] = once
    return result
