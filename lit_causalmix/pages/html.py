"""A page as HTML that needs no other file; whatever is text of a user is escaped."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from lit_causalmix.pages.content import Page


def render(page: Page) -> str:
    """Renders a page, with links to its sections and its pictures inside."""
    return _environment().get_template("page.html").render(page=page)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("lit_causalmix.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
