"""Where a script's table goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def write_lines(lines: Iterable[str], out: Path | None) -> None:
    """Writes lines into a file, or to the screen where none is named."""
    text = "\n".join(lines) + "\n"
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
