"""What a result was computed by: source code and the versions of libraries, as one hash.

A kept fit is used again only where the same code would make it again. Which modules take part in a
fit is not guessed: the whole package counts, and the source of every class from outside it.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder of the package."""


def code_fingerprint(libraries: Iterable[str] = (), classes: Iterable[type] = ()) -> str:
    """SHA-256 over the package's source, classes from outside it, and versions of libraries.

    Args:
        libraries: Distribution names of what is computed with; an absent one counts as absent.
        classes: What a configuration names; those of this package are covered already.

    Example:
        >>> code_fingerprint(["numpy"]) == code_fingerprint(["numpy"])
        True
        >>> code_fingerprint(["numpy"]) == code_fingerprint(["scipy"])
        False
    """
    digest = hashlib.sha256(package_digest(ROOT).encode())
    for path in sorted({path for kind in classes for path in _sources(kind)}):
        digest.update(path.read_bytes())
    for kind in classes:
        digest.update(_bytecode(kind))
    for name, found in versions(libraries).items():
        digest.update(f"{name}=={found}".encode())
    return digest.hexdigest()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The installed version of each library, "absent" where there is none, by sorted name."""
    found = {}
    for name in sorted(set(libraries)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an optional library: its absence is a state of its own
            found[name] = "absent"
    return found


@lru_cache(maxsize=1)
def package_digest(root: Path) -> str:
    """SHA-256 over names and content of all Python files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(kind: type) -> set[Path]:
    """The files outside the package that define a class and what it inherits from."""
    files = set()
    for base in inspect.getmro(kind):
        try:
            file = inspect.getsourcefile(base)
        except (TypeError, OSError):  # built in, or typed in: no file holds it
            continue
        path = Path(file).resolve() if file else None
        if path is not None and path.is_file() and ROOT not in path.parents:
            files.add(path)
    return files


def _bytecode(kind: type) -> bytes:
    """The compiled methods of a class, for one that was typed in and stands in no file."""
    codes = [getattr(member, "__code__", None) for _, member in sorted(vars(kind).items())]
    return b"".join(c.co_code + repr(c.co_consts).encode() for c in codes if c is not None)
