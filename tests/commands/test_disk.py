"""A disk that takes no more: one line, and a checkpoint to go on from."""

import multiprocessing
import os
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lit_causalmix.commands.trainer  # noqa: F401  # before the forks
from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def _run(args: list[str], prepare: Callable[[], None]) -> None:
    sys.stderr = Path("said.txt").open("w")  # noqa: SIM115  # open until the process ends
    sys.argv = ["lit-causalmix"]
    prepare()
    status = main(args)
    sys.stderr.flush()
    os._exit(status)


def ends(csv: Path, prepare: Callable[[], None], *options: str) -> tuple[int | None, list[str]]:
    """Runs a fit in a process of its own; returns its status and the lines on stderr."""
    args = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    args += ["--data.table.target=target", "--data.synthetic_ratio=0", *options]
    process = multiprocessing.get_context("fork").Process(target=_run, args=(args, prepare))
    process.start()
    process.join()
    said = Path("said.txt").read_text()
    assert "Traceback" not in said
    return process.exitcode, [s for s in said.splitlines() if s.startswith("lit-causalmix: error")]


def full_at_the_second_checkpoint() -> None:
    """Lets no file grow beyond 20 kB from the moment that `last.ckpt` is replaced."""
    seen = 0

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open" and re.search(r"\.last\.ckpt\.[0-9a-f]{32}$", str(args[0])):
            seen += 1
            if seen == 3:  # two for the first one, which is opened again to force it to disk
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    sys.addaudithook(watch)


def test_a_disk_that_fills_up_in_a_fit(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(csv.parent)
    status, said = ends(csv, full_at_the_second_checkpoint, "--trainer.max_epochs=4")
    assert status == 2
    assert len(said) == 1
    run = Path("runs/fit/version_0")
    assert str(run / "checkpoints" / "last.ckpt") in said[0]
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    status, said = ends(
        csv, lambda: None, "--trainer.max_epochs=4", f"--ckpt_path={run}/checkpoints/last.ckpt"
    )
    assert (status, said) == (0, [])


def test_a_file_in_the_place_of_the_run_root(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(csv.parent)
    Path("runs").write_text("mine")
    status, said = ends(csv, lambda: None)
    assert status == 2
    assert len(said) == 1
    assert "runs" in said[0]
    assert Path("runs").read_text() == "mine"
