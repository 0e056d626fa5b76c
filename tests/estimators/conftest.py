"""Small fits: a random model, few steps, a cache of the test's own."""

from pathlib import Path
from typing import Any

import pytest

TINY: dict[str, Any] = {
    "model": {
        "backbone": {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1}},
        "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.001}},
    },
    "data": {
        "episodes_per_epoch": 2,
        "generator": {
            "class_path": "lit_causalmix.generators.SCMGenerator",
            "init_args": {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"},
        },
    },
    "trainer": {"max_epochs": 2},
}
"""The settings of tests/conf/tiny.yaml."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny() -> dict[str, Any]:
    return TINY
