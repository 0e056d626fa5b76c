"""What the disk refuses while a command runs, in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from lit_causalmix.errors import FileError

_REFUSALS = frozenset(
    number
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO")
    if (number := getattr(errno, name, None)) is not None
)


@contextmanager
def disk_refusals(hint: str) -> Iterator[None]:
    """Lets a full, read-only or forbidden disk end a command with the file and the reason.

    Our own files say so themselves (`files.atomic`); this is for those that Lightning's loggers
    and libraries write.

    Args:
        hint: What there is to go on from.

    Raises:
        FileError: With the file and the reason.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileError) or error.errno not in _REFUSALS:
            raise
        file = os.fsdecode(error.filename) if error.filename else "a file of the run"
        raise FileError(f"{file} cannot be written: {error.strerror}; {hint}") from error
