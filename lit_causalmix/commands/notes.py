"""What a command remarks beside its result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lit_causalmix.quiet import gathered_warnings


@contextmanager
def noting() -> Iterator[list[str]]:
    """Shows what is warned of as notes, a line each; a warning would show a line of our source.

    Yields:
        The notes, filled in at the end.
    """
    with gathered_warnings() as notes:
        yield notes
    for note in notes:
        sys.stderr.write(f"lit-causalmix: note: {note}\n")
