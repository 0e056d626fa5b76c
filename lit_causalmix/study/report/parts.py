"""What the parts of a report share: leaving out what cannot be made, and keeping numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.content import Element, Notes, Paragraph, Part
from lit_causalmix.study.report.blocks import Block

PartOf = Callable[[Block], Part]
"""Makes a part of the page out of the cells of a block."""


def made(title: str, make: PartOf, block: Block) -> Part:
    """A part with its title, or one line that says why there is none."""
    try:
        return replace(make(block), title=title)
    except ConfigurationError as error:
        return Part([left_out(str(error))], title)


def left_out(reason: str) -> Paragraph:
    """The line in place of what is not there."""
    return Paragraph(f"Left out: {reason}.", "note")


def notes(told: Iterable[tuple[str, str]]) -> list[Element]:
    """Notes under a table or figure; none where nothing is told.

    Args:
        told: Pairs of what a note is about, which may be empty, and the note; a note that is the
            same for several stands once.
    """
    about: dict[str, list[str]] = {}
    for name, text in told:
        about.setdefault(text, []).append(name)
    lines = [
        ": ".join(filter(None, (", ".join(filter(None, dict.fromkeys(names))), text)))
        for text, names in about.items()
    ]
    return [Notes(lines)] if lines else []


def csv(name: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """A table as a CSV file, numbers with six digits; the same table gives the same bytes."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return {f"{name}.csv": text.encode()}
