"""Pages of the API reference: one for each package that says in `__all__` what is public."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

import lit_causalmix

FURTHER = (
    "lit_causalmix.episode",
    "lit_causalmix.seeding",
    "lit_causalmix.errors",
    "lit_causalmix.causal.graphs.edges",
    "lit_causalmix.causal.graphs.knowledge",
    "lit_causalmix.causal.models.fit",
    "lit_causalmix.causal.sampler.ensemble",
    "lit_causalmix.metrics.quality",
    "lit_causalmix.study.statistics",
    "lit_causalmix.training.checkpoints",
    "lit_causalmix.training.moments",
    "lit_causalmix.training.scoreboard",
)
"""Modules that the pages speak of, beside the packages."""

_PAGE = """# {name}

```{{eval-rst}}
.. automodule:: {name}
   :members:
```
"""

_INDEX = """# API

Written from the docstrings of what is public: what a package lists in `__all__`, and the modules
that other pages speak of. Whatever else can be imported may change with any version.

```{{toctree}}
:maxdepth: 1

{pages}
```
"""


def public_modules() -> list[str]:
    """Names of the modules that get a page, in the order of the alphabet."""
    below = pkgutil.iter_modules(lit_causalmix.__path__, "lit_causalmix.")
    packages = [info.name for info in below if info.ispkg]
    public = [name for name in packages if hasattr(import_module(name), "__all__")]
    return sorted(["lit_causalmix", *public, *FURTHER])


def write_pages(folder: Path) -> None:
    """Writes the pages and their index; a page that says the same already is left alone."""
    names = public_modules()
    pages = {name: _PAGE.format(name=name) for name in names}
    pages["index"] = _INDEX.format(pages="\n".join(names))
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.stem not in pages and old.name.removesuffix(".md") not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the pages before Sphinx looks for sources."""
    app.connect("config-inited", lambda app, _: write_pages(Path(app.srcdir) / "api"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
