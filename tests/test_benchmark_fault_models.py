"""The benchmark of damaged model folders finds what it looks for."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lit_causalmix
from lit_causalmix.errors import ModelError

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "faults"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import models

    yield models
    for name in ("models", "damage", "endings"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ModelError("no"), "refused"),
        (ModelError("no\nmore"), "many lines"),
        (KeyError("x"), "traceback: KeyError: 'x'"),
    ],
)
def test_what_becomes_of_a_folder_is_told_apart(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, found: str
) -> None:
    def load(folder: Path) -> Any:
        raise error

    monkeypatch.setattr(benchmark, "load_model", load)
    assert benchmark.outcome(Path(), pd.DataFrame(), pd.DataFrame()) == found
    assert benchmark.load_model is not lit_causalmix.load_model


def test_other_predictions_are_noticed(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def frame(self, rows: pd.DataFrame) -> pd.DataFrame:
            return rows + 1

    monkeypatch.setattr(benchmark, "load_model", lambda folder: Model())
    rows = pd.DataFrame({"a": [1.0]})
    assert benchmark.outcome(Path(), rows, rows) == "other predictions"
    assert benchmark.outcome(Path(), rows, rows + 1) == "same predictions"


@pytest.mark.slow
def test_damaged_model_folders_are_refused_or_predict_the_same() -> None:
    command = [sys.executable, str(FOLDER / "models.py"), "--count", "100"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
