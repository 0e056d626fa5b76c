"""Whatever kills a study, no finished cell is lost or run twice, and the result is the same."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.study.grid import plan
from lit_causalmix.study.runner import RunOptions, run_study
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store

Declare = Callable[..., dict[str, Any]]
# The first fit of a generator may warn, one from the cache does not.
_VARYING = ("seconds", "notes")


def _run(declaration: dict[str, Any], root: Path) -> None:
    run_study(plan(StudySpec(**declaration)), Store(root), RunOptions(progress=False, threads=1))


def _fork(declaration: dict[str, Any], root: Path) -> Any:
    # A fork needs no imports, so that kills fall into the work.
    process = multiprocessing.get_context("fork").Process(target=_run, args=(declaration, root))
    process.start()
    return process


def _results(root: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if name not in _VARYING}
        for record in Store(root).records()
    ]


def _kill_and_resume(declaration: dict[str, Any], folder: Path, kills: int) -> None:
    whole, broken = folder / "whole", folder / "broken"
    start = time.monotonic()
    _fork(declaration, whole).join()
    expected = _results(whole)
    per_cell = (time.monotonic() - start) / len(expected)
    assert {record["status"] for record in expected} == {"ok"}

    # Moments are drawn over the progress, not the clock: a busy machine must not end a run early.
    generator = random.Random(0)
    moments = sorted(generator.uniform(0, len(expected) - 1) for _ in range(kills))
    written: dict[str, int | None] = {}
    interrupted = 0
    for moment in moments:
        process = _fork(declaration, broken)
        _wait_for_cells(process, broken, int(moment))
        process.join(moment % 1 * per_cell)
        process.kill()
        process.join()
        interrupted += process.exitcode == -signal.SIGKILL
        store = Store(broken)
        assert all(store.stamp(key) == stamp for key, stamp in written.items())
        written = {record["key"]: store.stamp(record["key"]) for record in store.records()}
    assert interrupted  # otherwise nothing was tested
    _fork(declaration, broken).join()
    assert all(Store(broken).stamp(key) == stamp for key, stamp in written.items())
    assert _results(broken) == expected


def _wait_for_cells(process: Any, root: Path, n: int) -> None:
    while process.is_alive() and len(list(Store(root).records())) < n:
        time.sleep(0.02)


def test_a_study_killed_twice_ends_like_an_uninterrupted_one(
    study: Declare, tmp_path: Path
) -> None:
    tables = study()["tables"][:1]
    _kill_and_resume(study(methods=["default", "jitter"], tables=tables), tmp_path, kills=2)


@pytest.mark.slow
def test_a_study_killed_ten_times_ends_like_an_uninterrupted_one(
    study: Declare, tmp_path: Path
) -> None:
    _kill_and_resume(study(sizes=[1, None]), tmp_path, kills=10)


def _children(process: int) -> set[int]:
    """Process ids of the workers that a process started and that are alive."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(process)], capture_output=True, text=True
    ).stdout.split()
    alive = zip(listed[::2], listed[1::2], strict=True)
    return {int(pid) for pid, state in alive if not state.startswith("Z")}


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux lists them")
def test_workers_end_with_a_runner_that_is_killed(study: Declare, tmp_path: Path) -> None:
    declared = study(methods=["default", "jitter"], base={"trainer": {"max_epochs": 2000}})
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(declared))
    command = [sys.executable, "-m", "lit_causalmix", "study", "run", "--config", "grid.yaml"]
    command += ["--out", "store", "--threads", "1", "--jobs", "2"]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    claims = tmp_path / "store" / "claims"
    deadline = time.monotonic() + 240
    while len(list(claims.glob("*.started"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = _children(process.pid)
    assert len(workers) >= 2  # the two at work, and what keeps track of their resources
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [pid for pid in workers if _alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    store = Store(tmp_path / "store")
    claimed = [path.stem for path in claims.glob("*.started")]
    assert len(claimed) == 2
    for key in claimed:  # nobody holds them up
        store.claim(key).acquire(timeout=1).lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_is_said_and_the_same_command_goes_on(
    study: Declare, tmp_path: Path, jobs: int
) -> None:
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(study(methods=["default", "jitter"])))
    command = [sys.executable, "-m", "lit_causalmix", "study", "run", "--config", "grid.yaml"]
    command += ["--out", "store", "--threads", "1", "--jobs", str(jobs)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts its background jobs with interruptions ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not list(Store(tmp_path / "store").records()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of the command
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    said = errors.strip().splitlines()[-1]
    assert said.startswith("lit-causalmix: interrupted; every finished cell is kept")
    kept = {record["key"] for record in Store(tmp_path / "store").records()}
    assert 0 < len(kept) < 8
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len(Store(tmp_path / "store").keys()) == 8
