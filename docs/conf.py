"""Sphinx's settings: `sphinx-build -W docs docs/_build` makes the site."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import lit_causalmix

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "lit-causalmix"
author = "The lit-causalmix developers"
release = version = lit_causalmix.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "api_pages",
    "command_reference",
]
exclude_patterns = ["_build", ".jupyter_cache", "jupyter_execute"]
suppress_warnings = ["myst.header"]  # results/nano.md begins below its heading of level 2

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# The notebooks run when the site is built, in a folder of their own: what they show is true.
# Unchanged ones are kept in the build's cache.
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

default_role = "py:obj"  # `name` in docstrings: a link where there is something to lead to
autodoc_inherit_docstrings = False  # Lightning's and torch's docstrings are for their own sites
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 88
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"lit-causalmix {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

OUTSIDE = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "lit_causalmix/backbones/embedded/MODEL_CARD.md": "model-card.md",
}
"""Pages of the repository that the site takes up, by the name that they have on it."""

_LINK = re.compile(r"\]\((?:\.\./)+([^)#\s]+)")


def _lead_to_the_site(_: Sphinx, name: str, source: list[str]) -> None:
    """Links that lead out of `docs/` in the repository lead to the page of the site."""
    up = "../" * name.count("/")

    def target(match: re.Match[str]) -> str:
        page = OUTSIDE.get(match[1])
        return match[0] if page is None else f"]({up}{page}"

    source[0] = _LINK.sub(target, source[0])


def _take_bars_as_such(*described: object) -> None:
    """A bar in a docstring is the sign for a magnitude or a choice, no substitution of reST."""
    lines = described[-1]
    assert isinstance(lines, list)
    lines[:] = [line.replace("|", "\\|") for line in lines]


def _leave_out_what_others_made(*asked: object) -> bool | None:
    """Methods that a library puts into our classes are described on its own site."""
    made_by = str(getattr(asked[3], "__module__", ""))
    return True if made_by.startswith("sklearn.") else None


def setup(app: Sphinx) -> None:
    """Registers what this file adds."""
    app.connect("source-read", _lead_to_the_site)
    app.connect("autodoc-process-docstring", _take_bars_as_such)
    app.connect("autodoc-skip-member", _leave_out_what_others_made)
