"""Prints the README's first or second command, so that CI runs what a reader would run."""

import re
import sys
from pathlib import Path


def commands() -> list[str]:
    """The README's shell blocks, in order."""
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    return [block.strip() for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)]


if __name__ == "__main__":
    sys.stdout.write(commands()[int(sys.argv[1]) - 1] + "\n")
