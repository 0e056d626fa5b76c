"""Where the package keeps what it can make again, and how names become names of files."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "LIT_CAUSALMIX_CACHE"
"""Environment variable that moves the cache folder."""

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}(?<!\.)")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.I)  # of Windows
_LONGEST = 60


def cache_root() -> Path:
    """Returns the cache folder: `LIT_CAUSALMIX_CACHE`, or the user's cache folder of this system.

    The folder need not exist yet; whoever writes makes it.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return (
        Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("lit-causalmix"))
    )


def safe_name(name: str) -> str:
    """Turns any text into the name of one file or folder; names from data are never paths.

    The result holds ASCII letters, digits, underscores, points and hyphens alone, begins with none
    of the last two, and is short. Where that changes the name, a hash of the whole name is
    appended, so that two names do not become one.

    Example:
        >>> safe_name("german_credit")
        'german_credit'
        >>> safe_name("../../etc/passwd")
        'etc_passwd-3754d6cb3a38'
    """
    if _SAFE.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_LONGEST]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{kept or 'unnamed'}-{digest}"
