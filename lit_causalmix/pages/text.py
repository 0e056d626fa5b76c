"""Parts of a page as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lit_causalmix.pages.content import Element, Part, Table

_PLAIN = str.maketrans("−–", "--")  # signs that can be typed, to search for and to paste


def render(parts: Sequence[Part]) -> str:
    """Renders parts, each under its title, with an empty line between them."""
    return "\n\n".join("\n".join(filter(None, (p.title, _content(p.content)))) for p in parts)


def _content(content: Sequence[Element]) -> str:
    return "\n".join(_ELEMENTS[element.kind](element) for element in content).translate(_PLAIN)


def _table(table: Table) -> str:
    lines = [table.head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k in table.numbers else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


_ELEMENTS: Mapping[str, Callable[[Any], str]] = {
    "paragraph": lambda element: element.text,
    "bullets": lambda element: "\n".join(f"- {item}" for item in element.items),
    "notes": lambda element: "\n".join(f"note: {item}" for item in element.items),
    "table": _table,
    "picture": lambda element: f"[{element.alt}: {element.name}.png]",
    "details": lambda element: f"{element.summary}\n{_content(element.content)}",
    "code": lambda element: element.text,
}
