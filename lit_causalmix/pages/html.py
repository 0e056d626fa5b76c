"""A few HTML elements, with every text escaped; a page of them needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2937; background: #fff;
       max-width: 1180px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1.3rem; margin-top: 2.6rem; padding-top: .8rem; border-top: 1px solid #e5e7eb; }
h3 { font-size: 1.05rem; margin-top: 1.8rem; }
p, li { max-width: 52rem; }
.note { color: #6b7280; font-size: .9rem; }
.says { border-left: 4px solid #2f6fde; background: #f3f6fc; padding: .5rem .9rem; }
nav a { margin-right: 1.1rem; color: #2f6fde; text-decoration: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .8rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
         border-bottom: 1px solid #e5e7eb; overflow-wrap: break-word; max-width: 34rem; }
th { color: #6b7280; font-weight: 600; vertical-align: bottom; }
.better { background: #e4edfc; }
.worse { background: #fce8dc; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: #2f6fde; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums;
          padding-left: .4rem; }
th.number { white-space: normal; }
img { max-width: 100%; height: auto; display: block; }
figure { margin: 1rem 0; }
figcaption { color: #6b7280; font-size: .9rem; }
pre { background: #f9fafb; padding: .8rem; font-size: .8rem; white-space: pre-wrap; }
"""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        anchor: Its id.
        title: Its heading.
        parts: Its elements, HTML already.
    """

    anchor: str
    title: str
    parts: tuple[str, ...]


def paragraph(text: str, css: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{_css(css)}>{escape(text)}</p>"


def says(text: str, lead: str = "") -> str:
    """The sentence that says what a figure means; its lead stands in bold before it."""
    bold = f"<strong>{escape(lead)}</strong> " if lead else ""
    return f'<p class="says">{bold}{escape(text)}</p>'


def heading(text: str) -> str:
    """A heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def bullets(items: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    css: Mapping[tuple[int, int], str] | None = None,
) -> str:
    """A table of plain texts.

    Args:
        head: Titles of the columns.
        rows: Cells, one per column.
        numbers: Columns that hold numbers, aligned to the right.
        css: (row, column) → class of a cell, such as "better" or "worse".
    """
    marked = css or {}

    def line(tag: str, cells: Sequence[str], row: int) -> str:
        inner = "".join(
            f"<{tag}{_css('number' if k in numbers else '', marked.get((row, k), ''))}>"
            f"{escape(cell)}</{tag}>"
            for k, cell in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    body = "".join(line("td", row, number) for number, row in enumerate(rows))
    top = f"<thead>{line('th', head, -1)}</thead>"
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def picture(png: bytes, alt: str, caption: str = "") -> str:
    """A picture, carried inside the page."""
    data = base64.b64encode(png).decode("ascii")
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}">{note}</figure>'


def details(summary: str, parts: Iterable[str]) -> str:
    """Elements that show when the summary is clicked."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def preformatted(text: str) -> str:
    """Text as it is, in a fixed-width font."""
    return f"<pre>{escape(text)}</pre>"


def page(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """A complete page with links to its sections.

    Args:
        title: Plain text.
        intro: Elements before the first section.
        sections: The rest.
    """
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in sections)
    body = "\n".join(
        f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2>\n' + "\n".join(s.parts) + "</section>"
        for s in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(intro) + f"\n<nav>{links}</nav>\n{body}\n"
        "</body>\n</html>\n"
    )


def _css(*names: str) -> str:
    given = " ".join(filter(None, names))
    return f' class="{given}"' if given else ""
