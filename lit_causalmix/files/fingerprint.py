"""What a result was computed by: source code and the versions of libraries, as one hash.

A kept fit is used again only where the same code would make it again. Which modules take part in a
fit is not guessed: the whole package counts, and the source of every class from outside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType

from lit_causalmix.files.digests import of_parts

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
    kinds = list(classes)
    sources = sorted({path for kind in kinds for path in _sources(kind)})
    return of_parts(
        [
            package_digest(ROOT),
            *(path.read_bytes() for path in sources),
            *(_typed_in(kind) for kind in kinds if _source(kind) is None),
            *(f"{name}=={found}" for name, found in versions(libraries).items()),
        ]
    )


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
    files = sorted(root.rglob("*.py"))
    return of_parts(
        part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes())
    )


def _sources(kind: type) -> Iterator[Path]:
    """The files outside the package that define a class and what it inherits from."""
    for base in inspect.getmro(kind):
        path = _source(base)
        if path is not None and ROOT not in path.parents:
            yield path


def _source(kind: type) -> Path | None:
    try:
        file = inspect.getsourcefile(kind)
    except (TypeError, OSError):  # built in, or typed in: no file holds it
        return None
    path = Path(file).resolve() if file else None
    return path if path is not None and path.is_file() else None


def _bytecode(code: CodeType) -> str:
    """What a function does, as text; that of a code object would hold its place in memory."""
    constants = [_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code.hex(), code.co_names, constants))


def _typed_in(kind: type) -> str:
    """The compiled methods of a class that was typed in and stands in no file."""
    codes = [getattr(member, "__code__", None) for _, member in sorted(vars(kind).items())]
    return "".join(_bytecode(code) for code in codes if code is not None)
