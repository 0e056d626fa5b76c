import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.seeding import rng


@pytest.fixture(scope="session")
def real_tables(real_data: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Folder and index (by name) of the real tables."""
    entries = json.loads((real_data / "index.json").read_text())
    return real_data, {entry["name"]: entry for entry in entries}


@pytest.fixture
def mixed_frame() -> pd.DataFrame:
    """200 rows of every inferable kind, with missing cells, and a three-class target."""
    draws, n = rng(7, "mixed"), 200
    number = draws.normal(size=n)
    number[::17] = np.nan
    colour = draws.choice(["red", "green", "blue"], n).astype(object)
    colour[::23] = None
    return pd.DataFrame(
        {
            "number": number,
            "count": draws.integers(0, 50, n),
            "colour": colour,
            "member": draws.choice(["yes", "no"], n),
            "grade": draws.choice(["low", "mid", "high"], n),
            "y": draws.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes text or bytes to a file and returns its path."""

    def _write(content: str | bytes, name: str = "table.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return _write
