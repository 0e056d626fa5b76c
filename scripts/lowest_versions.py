"""The lowest version of each requirement that pyproject.toml allows, as a constraints file.

    python scripts/lowest_versions.py > lowest.txt && pip install -c lowest.txt -e .

Extras are named behind it: `python scripts/lowest_versions.py parquet smote`. A requirement without
a lower bound is left out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

_BOUND = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*[^>]*>=\s*([\w.]+)")


def lowest(requirements: Iterable[str]) -> Iterator[str]:
    """The pins of requirements that have a lower bound.

    Example:
        >>> list(lowest(["torch>=2.10", "a[b]>=1.2,<4", "free"]))
        ['torch==2.10', 'a==1.2']
    """
    for requirement in requirements:
        found = _BOUND.match(requirement)
        if found:
            yield f"{found[1]}=={found[2]}"


def requirements(root: Path, extras: Iterable[str] = ()) -> list[str]:
    """What a source tree asks for, with some of its extras.

    Raises:
        KeyError: For an extra that there is not.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = (project["optional-dependencies"][name] for name in extras)
    return [*project["dependencies"], *(text for part in optional for text in part)]


if __name__ == "__main__":
    asked = requirements(Path(__file__).parent.parent, sys.argv[1:])
    sys.stdout.write("".join(f"{pin}\n" for pin in lowest(asked)))
