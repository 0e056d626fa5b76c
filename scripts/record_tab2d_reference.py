"""Records what AutoGluon's own Tab2D computes, as reference values for the tests.

    python scripts/record_tab2d_reference.py [--environment FOLDER]

builds an environment for AutoGluon (about 1.5 GB, kept for the next time), draws small random
models there, saves them by AutoGluon's own `save_pretrained`, and writes models and outputs into
`tests/reference/tab2d/`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mitra_environment

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "tests" / "reference" / "tab2d"


def main() -> None:
    """Parses the arguments and records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(".mitra-environment"))
    arguments = parser.parse_args()
    REFERENCE.mkdir(parents=True, exist_ok=True)
    script = HERE / "mitra_reference.py"
    mitra_environment.run_inside(arguments.environment.resolve(), script, "record", str(REFERENCE))


if __name__ == "__main__":
    main()
