"""The benchmark of hostile tables: it passes here, and it would notice what it looks for."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import Encoder

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "faults"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import tables

    yield tables
    for name in ("tables", "table_cases", "table_checks", "damage"):
        sys.modules.pop(name, None)


def passing(benchmark: Any) -> Any:
    """A case of numbers that is read."""
    cases = (benchmark.make(0, index) for index in range(100))
    return next(c for c in cases if c.truth and benchmark.check(c, "load").kind == "passed")


def test_a_case_is_a_function_of_seed_and_index(benchmark: Any) -> None:
    one, two, other = benchmark.make(3, 5), benchmark.make(3, 5), benchmark.make(4, 5)
    assert (one.content, one.settings) == (two.content, two.settings)
    assert one.content != other.content


class LongError(TableError):
    """A refusal that nothing shortens."""

    __str__ = Exception.__str__


def raising(error: Exception) -> Callable[..., Any]:
    def fit(train: Any) -> Any:
        raise error

    return fit


@pytest.mark.parametrize(
    ("fit", "kind"),
    [
        (raising(KeyError("x")), "traceback"),
        (raising(TableError("no")), "refused"),
        (raising(LongError("no" * 5_000)), "wrong"),
    ],
)
def test_what_becomes_of_a_case_is_told_apart(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, fit: Callable[..., Any], kind: str
) -> None:
    case = passing(benchmark)
    monkeypatch.setattr(Encoder, "fit", fit)
    assert benchmark.check(case, "load").kind == kind


def test_other_numbers_and_bad_scaling_are_noticed(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = passing(benchmark)
    features = Encoder.features
    monkeypatch.setattr(Encoder, "features", lambda self, v: features(self, v) + np.float32(1))
    assert benchmark.check(case, "load").kind == "wrong"
    monkeypatch.undo()
    name = next(iter(case.truth))
    case.truth[name] = np.nextafter(case.truth[name], np.inf)
    assert "other numbers" in benchmark.check(case, "load").text


def test_hanging_and_dying_processes_are_replaced(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def check(case: Any, depth: str) -> Any:
        while case.index == 1:
            pass
        if case.index == 2:
            os._exit(7)
        return benchmark.Outcome("passed")

    monkeypatch.setattr(benchmark, "check", check)
    worker = benchmark.Worker(0, limit=1.0)
    kinds = [worker.run(index, "load").kind for index in (0, 1, 2, 3)]
    worker.stop()
    assert kinds == ["passed", "hang", "crash", "passed"]


@pytest.mark.slow
def test_hostile_tables_are_read_or_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "tables.py"), "--count", "200", "--out", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert not list(tmp_path.iterdir())
