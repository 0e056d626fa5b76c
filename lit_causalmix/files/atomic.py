"""Writing files: each is there whole or not at all, and what prevents it is one clear line.

Content goes to a file of its own beside the target, is forced to disk and renamed over it. Whoever
is interrupted leaves the old file or the new one; two who write at once both succeed, and the last
rename wins.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError

from lit_causalmix.errors import FileError

_NAME_PART = 40
"""Characters of the target's name in that of its temporary file, which may not grow too long."""

_TORCH_WRITER = "inline_container.cc"
"""The source file of torch that writes; its errors name it."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file in one step; see `replacing`."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file in one step, lines ending as given; see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Writes `json_text`, indented, in one step; see `replacing`."""
    write_text(path, json_text(content, indent=1) + "\n")


def json_text(content: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """JSON that every reader takes: a number that is not finite, which JSON lacks, becomes null.

    Args:
        content: Dictionaries, lists, tuples, strings, numbers, booleans and None.
        indent: Spaces of a level; None writes one line without spaces.
        sort_keys: Whether keys are sorted.

    Raises:
        TypeError: For content of another type.

    Example:
        >>> json_text({"b": [1.5, float("nan")], "a": -float("inf")}, sort_keys=True)
        '{"a":null,"b":[1.5,null]}'
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        finite(content),
        indent=indent,
        sort_keys=sort_keys,
        separators=separators,
        allow_nan=False,
    )


def finite(content: Any) -> Any:
    """JSON values with None in place of numbers that are not finite; tuples become lists."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lets the block write a temporary file, which becomes `path` when the block ends well.

    Folders are made where absent. A block that raises leaves what was there before. The new file
    has the permissions of any new file, whatever wrote it.

    Args:
        path: The file to write.

    Yields:
        An empty file beside it, to be written over.

    Raises:
        FileError: If it cannot be written: a full or read-only disk, a folder in the way, no
            permission.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder) / "new" / "a.txt") as scratch:
        ...         _ = scratch.write_text("whole")
        ...     (Path(folder) / "new" / "a.txt").read_text()
        'whole'
    """
    # Not by tempfile, whose files are the owner's alone.
    scratch = path.with_name(f".{path.name[:_NAME_PART]}.{uuid4().hex}")
    with refusals(path, scratch):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder of that name is in the way")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with scratch.open("xb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
            yield scratch
            with scratch.open("rb+") as stream:
                os.fsync(stream.fileno())
            scratch.chmod(mode)  # some libraries put a file of their own in its place
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


@contextmanager
def refusals(path: Path, *own: Path, hint: str = "") -> Iterator[None]:
    """Turns what the operating system refuses while `path` is written into one clear line.

    Args:
        path: What the user knows it by.
        *own: Other files that stand for it, which the message leaves out.
        hint: What the user can do about it, besides.

    Raises:
        FileError: With the path and the reason.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = _reason(error, (path, *own))
        if reason is None:
            raise
        then = f"; {hint}" if hint else ""
        raise FileError(f"{path} cannot be written: {reason}{then}") from error


def _reason(error: BaseException, own: tuple[Path, ...]) -> str | None:
    """What keeps a file from being written, None for an error of another kind."""
    if isinstance(error, FileError) and error.__cause__ is not None:
        return _reason(error.__cause__, own)
    if isinstance(error, OSError) and error.strerror:
        named = Path(os.fsdecode(error.filename or own[0]))
        known = any(path in (named, *named.parents) for path in own)
        return error.strerror if known else f"{error.strerror} ({named})"
    if isinstance(error, RuntimeError):  # all that torch.save says of a disk that is full
        said = _TORCH_WRITER in str(error)
        return "the disk took a part of it only, it may be full" if said else None
    return " ".join(str(error).split())
