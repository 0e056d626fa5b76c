"""Whether a tag may be released: `python scripts/check_release.py v0.2.0` says what is missing.

The version stands in pyproject.toml; the package reads it from its metadata. CITATION.cff, which is
read without installing anything, has to say the same, and the changelog has to have its section.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def version(root: Path) -> str:
    """The version of a source tree."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def cited_version(root: Path) -> str:
    """The version that a citation names."""
    text = (root / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(r"^version: (.+)$", text, flags=re.MULTILINE)
    return found[1].strip() if found else ""


def problems(root: Path, tag: str) -> list[str]:
    """What keeps a source tree from being released under a tag; empty where nothing does."""
    own, found = version(root), []
    if tag != f"v{own}":
        found.append(f"the tag is {tag}, pyproject.toml has the version {own}")
    if cited_version(root) != own:
        found.append(f"CITATION.cff has the version {cited_version(root)!r}, not {own}")
    if f"## [{own}]" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        found.append(f"CHANGELOG.md has no section [{own}]")
    return found


if __name__ == "__main__":
    missing = problems(Path(__file__).parent.parent, sys.argv[1])
    sys.stderr.write("".join(f"{line}\n" for line in missing))
    sys.exit(1 if missing else 0)
