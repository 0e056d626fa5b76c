"""Small tables and models that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

# One thread: tests run beside each other, and small matrices gain nothing from more.
torch.set_num_threads(1)


def mixed_frame(n: int = 160, *, seed: int = 0, regression: bool = False) -> pd.DataFrame:
    """Two numerical and two categorical columns, some gaps, and a target that depends on them."""
    generator = np.random.default_rng(seed)
    age = generator.integers(18, 80, n).astype(float)
    colour = generator.choice(["red", "green", "blue"], n)
    member = generator.choice(["yes", "no"], n)
    income = 100.0 * age + 900.0 * (colour == "red") + generator.normal(0, 400, n)
    signal = (income - income.mean()) / income.std() + (member == "yes")
    noisy = signal + generator.normal(0, 0.5, n)
    target = noisy * 3 + 10 if regression else np.where(noisy > 0.5, "good", "bad")
    frame = pd.DataFrame(
        {"age": age, "income": income, "colour": colour, "member": member, "target": target}
    )
    frame.loc[generator.choice(n, n // 20, replace=False), "income"] = np.nan
    return frame


@pytest.fixture
def frame() -> pd.DataFrame:
    """A binary classification table."""
    return mixed_frame()


@pytest.fixture
def csv(tmp_path: Path, frame: pd.DataFrame) -> Path:
    """The same table as a CSV file."""
    path = tmp_path / "mixed.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real benchmark tables; skips the test where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIT_CAUSALMIX_DATA", beside))
    if not (folder / "index.json").is_file():
        pytest.skip("the real benchmark tables are absent: set LIT_CAUSALMIX_DATA to their folder")
    return folder


FrameMaker = Callable[..., pd.DataFrame]


@pytest.fixture
def make_frame() -> FrameMaker:
    return mixed_frame
