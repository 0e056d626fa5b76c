"""Sections of a page as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lit_causalmix.pages.content import Details, Element, Paragraph, Picture, Section, Table


def render(sections: Sequence[Section]) -> str:
    """Renders sections and their parts under headings of the second and the third level."""
    return "\n\n".join(block for section in sections for block in _section(section)) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {_line(section.title)}"
    for part in section.parts:
        if part.title:
            yield f"### {_line(part.title)}"
        yield from map(_element, part.content)


def _element(element: Element) -> str:
    return _ELEMENTS[element.kind](element)


def _line(text: str) -> str:
    """Text on one line that opens no tag."""
    return re.sub(r"<(?=[a-zA-Z/!?])", r"\\<", re.sub(r"\s+", " ", text))


def _paragraph(paragraph: Paragraph) -> str:
    before, strong, after = map(_line, paragraph.runs)
    return f"{before}**{strong}**{after}" if strong else before


def _items(items: Sequence[str], start: str = "", end: str = "") -> str:
    return "\n".join(f"- {start}{_line(item)}{end}" for item in items)


def _table(table: Table) -> str:
    ruler = "|".join("---:" if k in table.numbers else "---" for k in range(len(table.head)))
    return "\n".join([_row(table.head), f"|{ruler}|", *map(_row, table.rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_line(cell).replace('|', '&#124;') for cell in cells)} |"


def _picture(picture: Picture) -> str:
    alt = _line(picture.alt).replace("]", r"\]")
    return "\n\n".join(filter(None, (f"![{alt}]({picture.name}.png)", _line(picture.caption))))


def _details(details: Details) -> str:
    return "\n\n".join([_line(details.summary), *map(_element, details.content)])


_ELEMENTS: Mapping[str, Callable[[Any], str]] = {
    "paragraph": _paragraph,
    "bullets": lambda element: _items(element.items),
    "notes": lambda element: _items(element.items, "Note: ", "."),
    "table": _table,
    "picture": _picture,
    "details": lambda element: "\n\n".join(
        [_line(element.summary), *map(_element, element.content)]
    ),
    "code": lambda element: "\n".join(f"    {line}" for line in element.text.splitlines()),
}
