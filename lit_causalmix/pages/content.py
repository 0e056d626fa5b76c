"""What a page says, as plain data; how it looks is left to those who render it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Role = Literal["", "note", "says"]
"""What a paragraph is: plain, a remark, or the sentence that says what numbers mean."""

Mark = Literal["", "better", "worse"]
"""What is said of a cell by its colour."""


class Element:
    """Anything that stands on a page; `kind` is the name that renderers know it by."""

    kind: ClassVar[str]

    def pictures(self) -> Iterator[Picture]:
        """Yields the pictures in it."""
        yield from ()


@dataclass(frozen=True)
class Paragraph(Element):
    """Plain text.

    Attributes:
        text: One line, whatever its length.
        role: See `Role`.
        strong: A phrase of the text that is set in bold where it first stands.
    """

    kind = "paragraph"
    text: str
    role: Role = ""
    strong: str = ""

    @property
    def runs(self) -> tuple[str, str, str]:
        """The text before the bold phrase, the phrase, and the rest.

        >>> Paragraph("so: it helps", strong="it").runs
        ('so: ', 'it', ' helps')
        """
        return self.text.partition(self.strong) if self.strong else (self.text, "", "")


@dataclass(frozen=True)
class Bullets(Element):
    """A list of plain texts."""

    kind = "bullets"
    items: Sequence[str]


@dataclass(frozen=True)
class Notes(Element):
    """Sentences, without their full stop, on what was left out or could not be computed."""

    kind = "notes"
    items: Sequence[str]


@dataclass(frozen=True)
class Table(Element):
    """A table of plain texts.

    Attributes:
        head: Titles of the columns.
        rows: Cells, one per column.
        numbers: Columns that hold numbers, aligned to the right.
        marks: (row, column) → what is said of the cell.
    """

    kind = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    marks: Mapping[tuple[int, int], Mark] = field(default_factory=dict)

    def look(self, row: int, column: int) -> str:
        """How a cell looks, in words: "number", "better", "number worse"; row −1 is the head."""
        number = "number" if column in self.numbers else ""
        return " ".join(filter(None, (number, self.marks.get((row, column), ""))))


@dataclass(frozen=True)
class Picture(Element):
    """A picture.

    Attributes:
        name: Of its file, without ending.
        png: Its bytes.
        alt: What it shows, for those who do not see it.
        caption: Text below it.
    """

    kind = "picture"
    name: str
    png: bytes = field(repr=False)
    alt: str
    caption: str = ""

    @property
    def base64(self) -> str:
        """The bytes as text."""
        return base64.b64encode(self.png).decode("ascii")

    def pictures(self) -> Iterator[Picture]:
        yield self


@dataclass(frozen=True)
class Details(Element):
    """Elements that show when the summary is asked for."""

    kind = "details"
    summary: str
    content: Sequence[Element]

    def pictures(self) -> Iterator[Picture]:
        for element in self.content:
            yield from element.pictures()


@dataclass(frozen=True)
class Code(Element):
    """Text as it is, in a fixed-width font."""

    kind = "code"
    text: str


@dataclass(frozen=True)
class Part:
    """A titled part of a section.

    Attributes:
        content: Its elements, in the order that they are read.
        title: Its heading; empty for none.
        files: Name → content of what is kept beside the page, such as its numbers as CSV. Pictures
            are kept by themselves.
    """

    content: Sequence[Element]
    title: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Section:
    """A section of a page; its anchor is what links name it by."""

    anchor: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A page: its title, what stands before the first section, and the sections."""

    title: str
    intro: Sequence[Element]
    sections: Sequence[Section]

    def files(self) -> dict[str, bytes]:
        """Name → content of all that is kept beside the page."""
        found: dict[str, bytes] = {}
        for section in self.sections:
            for part in section.parts:
                found |= part.files
                for element in part.content:
                    found |= {f"{picture.name}.png": picture.png for picture in element.pictures()}
        return found
