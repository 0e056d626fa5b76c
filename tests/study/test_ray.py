"""A study on a local Ray of two workers; skipped where Ray is not installed."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_causalmix.study.grid import plan
from lit_causalmix.study.runner import RunOptions, run_study
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lit-causalmix[ray]'")


@pytest.mark.slow
def test_two_ray_workers_give_the_bits_of_one_process(
    spec: Callable[..., StudySpec], tmp_path: Path
) -> None:
    cells = plan(spec(methods=["default", "jitter"]))
    ray = RunOptions(jobs=2, backend="ray", progress=False)
    assert run_study(cells, Store(tmp_path / "ray"), ray) == Counter(ok=8)
    here = RunOptions(threads=1, progress=False)
    assert run_study(cells, Store(tmp_path / "here"), here) == Counter(ok=8)
    pairs = zip(Store(tmp_path / "ray").records(), Store(tmp_path / "here").records(), strict=True)
    for one, two in pairs:
        assert one["key"] == two["key"]
        assert one["scores"] == two["scores"]
