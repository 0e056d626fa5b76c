"""The sampler's benchmark runs and writes what it promises; its quick figures mean nothing."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "sampler.py"


@pytest.mark.slow
def test_quick_run_writes_results_and_report(tmp_path: Path) -> None:
    out = tmp_path / "new" / "sampler.json"
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--repeats", "1", "--out", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    results = json.loads(out.read_text(encoding="utf-8"))
    assert {(c["mechanism"], c["graphs"]) for c in results["speed"]} == {
        (mechanism, graphs) for mechanism in ("linear", "boosting", "forest") for graphs in (1, 8)
    }
    assert [c["backbone"] for c in results["episode"]] == ["Nano 1", "TabPFN v1"]
    for cell in results["speed"] + results["episode"]:
        assert all(s > 0 and math.isfinite(s) for s in cell["seconds"].values())
    assert {"name", "target", "worst", "met"} == set(results["targets"][0])
    assert {"dowhy", "numpy", "torch"} <= set(results["versions"])
    report = out.with_suffix(".md").read_text(encoding="utf-8")
    assert results["command"] in report
    assert report.count("\n| generated") == len(results["speed"])
    assert report in finished.stdout


def test_the_kept_page_is_what_its_script_writes(benchmark: Callable[[str], ModuleType]) -> None:
    kept = ROOT / "docs" / "results" / "sampler.json"
    results = json.loads(kept.read_text(encoding="utf-8"))
    page = kept.with_suffix(".md").read_text(encoding="utf-8")
    assert benchmark("sampler_report").markdown(results) == page
    assert not any("torch_cpu" in cell["seconds"] for cell in results["speed"])
    assert f"Measured with lit-causalmix {results['versions']['lit-causalmix']} by" in page
