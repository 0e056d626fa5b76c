"""The scripts that measure processor seconds: what they count, on clocks that are known."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("commits", "phases", "quickstart", "study_throughput")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def test_a_second_counts_once_for_the_innermost_phase(
    script: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    phases, now = script["phases"], [0.0]
    monkeypatch.setattr(phases.time, "process_time", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    clock = phases.Clock()
    inner = clock.timed(passes, "inner")

    def work() -> None:
        passes(1.0)
        inner(2.0)
        passes(4.0)

    passes(8.0)
    clock.timed(work, "outer")()
    clock.timed(work, "plan")()  # keeps what runs within
    clock.timed(lambda: clock.timed(passes, "imports")(16.0), "plan")()
    found = clock.stop()
    expected = {"the rest": 8.0, "outer": 5.0, "inner": 2.0, "plan": 7.0, "imports": 16.0}
    assert found == expected


def test_a_phase_ends_with_an_error(script: dict[str, ModuleType]) -> None:
    clock = script["phases"].Clock()

    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        clock.timed(fails, "inner")()
    clock.stop()
    before = clock.seconds["inner"]
    sum(range(100_000))
    assert clock.stop()["inner"] == before


def test_a_cell_is_told_from_what_its_run_does_once(script: dict[str, ModuleType]) -> None:
    seconds = {"imports": 5.0, "plan": 2.0, "forward": 4.0, "backward": 6.0, "FGSM": 3.0, "x": 1.0}
    found = script["study_throughput"].grouped(seconds, 2)
    assert found["a cell"] == 7.0
    assert found["training itself"] == 5.0
    assert found["beyond training"] == 2.0
    assert list(found)[3:] == ["- FGSM", "- x"]


def test_scores_are_compared_cell_by_cell(script: dict[str, ModuleType], tmp_path: Path) -> None:
    throughput = script["study_throughput"]
    for side, value in (("one", 0.5), ("other", 0.75)):
        record = {"status": "ok", "table": "t", "method": "m", "scores": {"test": {"auc": value}}}
        path = tmp_path / side / "cells" / "a.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record), encoding="utf-8")
        failed = {"status": "failed"}
        path.with_name("b.json").write_text(json.dumps(failed), encoding="utf-8")
    one, other = (throughput.scores(tmp_path / side) for side in ("one", "other"))
    assert one == {("t", "m"): {"auc": 0.5}}
    assert throughput.difference(one, other) == 0.25


def test_a_checkout_becomes_a_package_that_runs(
    script: dict[str, ModuleType], tmp_path: Path
) -> None:
    commits = script["commits"]
    for folder in ("lit_causalmix", *commits.MAPPED):
        (tmp_path / "checkout" / folder).mkdir(parents=True)
        (tmp_path / "checkout" / folder / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "checkout" / "datamodules" / "own.py").write_text("X = 3\n", encoding="utf-8")
    tree = commits.importable(str(tmp_path / "checkout"), tmp_path / "built")
    code = "import sys; from lit_causalmix.datamodules.own import X; sys.exit(X)"
    ran = commits.run(tree, ["-c", code], cwd=tmp_path / "here")
    assert ran.code == 3
    assert 0 < ran.seconds < 10
    ran = commits.run(tree, ["-c", "raise SystemExit('why')"], cwd=tmp_path / "here")
    assert (ran.code, ran.output.strip()) == (1, "why")


def test_a_command_that_failed_has_no_median(script: dict[str, ModuleType]) -> None:
    ran = script["commits"].Ran
    runs = [ran(seconds, 100.0, 0, "") for seconds in (3.0, 1.0, 2.0)]
    line = script["quickstart"].line
    assert (
        line("fit", runs, [ran(1.0, 90.0, 0, "")])
        == "| fit | 2.00 s, 100 MB | 1.00 s, 90 MB | 0.50 |"
    )
    assert line("fit", [*runs, ran(1.0, 1.0, 2, "")], runs) == "| fit | - | 2.00 s, 100 MB | - |"
