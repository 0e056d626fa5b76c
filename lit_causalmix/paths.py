"""Where the package keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "LIT_CAUSALMIX_CACHE"
"""Environment variable that moves the cache folder."""


def cache_root() -> Path:
    """Returns the cache folder: `LIT_CAUSALMIX_CACHE`, or the user's cache folder of this system.

    The folder need not exist yet; whoever writes makes it.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return (
        Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("lit-causalmix"))
    )
