"""Forecasts of memory beside peaks that were measured, kept and fresh."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "memory.py"
KEPT = [
    json.loads(line)
    for line in (ROOT / "docs/results/memory.jsonl").read_text(encoding="utf-8").splitlines()
]
MOST = 0.25


@pytest.fixture
def memory(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("memory")


def errors(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Forecast / peak - 1 of the cells that have a forecast, by what they are."""
    names = ("backbone", "mode", "context_rows", "query_rows", "columns", "tables")
    return {
        str([cell[n] for n in names]): cell["forecast"] / cell["peak"] - 1
        for cell in cells
        if cell["forecast"] is not None and not cell["heap"]
    }


@pytest.mark.parametrize("name", dict.fromkeys(cell["backbone"] for cell in KEPT))
def test_every_measured_peak_is_foreseen_within_a_quarter(memory: ModuleType, name: str) -> None:
    package = {"TabPFN v2": "tabpfn", "TabICL v2": "tabicl"}.get(name.partition(",")[0])
    if package is not None:
        pytest.importorskip(package)
    cells = [cell for cell in KEPT if cell["backbone"] == name and cell["peak"] is not None]
    found = errors(memory.foreseen(cells))
    assert found
    assert {cell: error for cell, error in found.items() if abs(error) > MOST} == {}


@pytest.mark.skipif(sys.platform != "linux", reason="peaks as Linux tells them")
def test_a_peak_measured_now_is_foreseen(tmp_path: Path) -> None:
    out = tmp_path / "memory"
    names = ["Nano, classification", "AxialTransformer 64 × 4"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--out", str(out), "--backbones", *names],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # a copy of a process has none of its threads
    )
    assert done.returncode == 0, done.stderr
    page = out.with_suffix(".md").read_text(encoding="utf-8")
    for name in names:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} ")]
        largest = float(line.split("|")[5].strip().rstrip("%")) / 100
        assert abs(largest) < MOST, line
