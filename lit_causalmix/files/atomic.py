"""Writing files: each is there whole or not at all, and what prevents it is one clear line.

Content goes to a file of its own beside the target, is forced to disk and renamed over it. Whoever
is interrupted leaves the old file or the new one; two who write at once both succeed, and the last
rename wins.
"""

from __future__ import annotations

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
        _finite(content),
        indent=indent,
        sort_keys=sort_keys,
        separators=separators,
        allow_nan=False,
    )


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
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
            raise FileError(f"{path} cannot be written: a folder of that name is in the way")
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
def refusals(path: Path, *own: Path) -> Iterator[None]:
    """Turns what the operating system refuses while `path` is written into one clear line.

    Args:
        path: What the user knows it by.
        *own: Other files that stand for it, which the message leaves out.

    Raises:
        FileError: With the path and the reason.
    """
    try:
        yield
    except FileError:
        raise
    except (OSError, SafetensorError) as error:
        raise FileError(f"{path} cannot be written: {_reason(error, (path, *own))}") from error
    except RuntimeError as error:  # all that torch.save says of a disk that stops taking bytes
        if _TORCH_WRITER not in str(error):
            raise
        raise FileError(
            f"{path} cannot be written: the disk took a part of it only, it may be full"
        ) from error


def _reason(error: Exception, known: tuple[Path, ...]) -> str:
    if isinstance(error, OSError) and error.strerror:
        elsewhere = error.filename and Path(os.fsdecode(error.filename)) not in known
        return f"{error.strerror} ({error.filename})" if elsewhere else error.strerror
    return " ".join(str(error).split())
