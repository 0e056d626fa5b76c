"""A page as HTML that needs no other file; whatever is text of a user is escaped.

The browser is told to run one script alone, by its digest: that of the page's tables.
"""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from lit_causalmix.files import digests
from lit_causalmix.pages.content import Page


def render(page: Page) -> str:
    """Renders a page, with links to its sections and its pictures inside."""
    script = _script()
    digest = base64.b64encode(bytes.fromhex(digests.of_parts([script]))).decode("ascii")
    template = _environment().get_template("page.html")
    return template.render(page=page, script=script, script_digest=digest)


@cache
def _script() -> str:
    """The page's one script, which knows nothing of what the page says."""
    file = resources.files("lit_causalmix.pages") / "templates" / "tables.js"
    return file.read_text(encoding="utf-8")


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
