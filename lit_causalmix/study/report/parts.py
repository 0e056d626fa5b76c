"""What the parts of a report share: leaving out what cannot be made, and keeping numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.study.report.blocks import Block

_MOST_NOTES = 2

Part = Callable[[Block, Files], list[str]]
"""Makes a part of the page: its elements, its pictures and numbers kept as files."""


def made(title: str, part: Part, block: Block, files: Files) -> list[str]:
    """A part under its heading, or one line that says why there is none."""
    try:
        content = part(block, files)
    except ConfigurationError as error:
        content = [left_out(str(error))]
    return [html.heading(title), *content]


def left_out(reason: str) -> str:
    """The line in place of what is not there."""
    return html.paragraph(f"Left out: {reason}.", "note")


def notes(told: Iterable[tuple[str, str]]) -> list[str]:
    """Notes under a table or figure, folded up where there are many.

    Args:
        told: Pairs of what a note is about, which may be empty, and the note; a note that is the
            same for several stands once.
    """
    about: dict[str, list[str]] = {}
    for name, text in told:
        about.setdefault(text, []).append(name)
    lines = [
        f"{': '.join(filter(None, (', '.join(filter(None, dict.fromkeys(names))), text)))}."
        for text, names in about.items()
    ]
    if len(lines) > _MOST_NOTES:
        return [html.details(f"{len(lines)} notes on what was left out", [html.bullets(lines)])]
    return [html.paragraph(f"Note: {line}", "note") for line in lines]


def keep_csv(files: Files, name: str, frame: pd.DataFrame) -> None:
    """Keeps a table as CSV, numbers with six digits; the same table gives the same bytes."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    files.keep(f"{name}.csv", text.encode())
