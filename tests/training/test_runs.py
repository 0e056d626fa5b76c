"""Run folders: one fit each, whatever starts at the same moment."""

import json
import multiprocessing
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lit_causalmix.commands.main import main
from lit_causalmix.errors import HeldError
from lit_causalmix.training import runs

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
_fork = multiprocessing.get_context("fork")


class Holder:
    """Stands for a trainer: something that holds a folder."""


def _claim(root: Path, barrier: Any, queue: Any) -> None:
    barrier.wait()
    queue.put([runs.claim_number(root) for _ in range(20)])


def test_no_number_is_claimed_twice(tmp_path: Path) -> None:
    (tmp_path / "version_6").mkdir()
    (tmp_path / "version_x").touch()
    barrier, queue = _fork.Barrier(4), _fork.Queue()
    workers = [_fork.Process(target=_claim, args=(tmp_path, barrier, queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    numbers = [number for _ in workers for number in queue.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert sorted(numbers) == list(range(7, 87))


def _hold(folder: Path, ready: Any, done: Any) -> None:
    runs.hold(Holder(), folder)  # type: ignore[arg-type]
    holder = Holder()
    runs.hold(holder, folder)  # type: ignore[arg-type]  # within a process, the next fit takes over
    ready.set()
    done.wait(60)


def test_a_folder_in_use_is_refused_and_free_when_its_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.2)
    ready, done = _fork.Event(), _fork.Event()
    other = _fork.Process(target=_hold, args=(tmp_path, ready, done))
    other.start()
    assert ready.wait(60)
    with pytest.raises(HeldError, match="another fit works in"):
        runs.hold(Holder(), tmp_path)  # type: ignore[arg-type]
    other.kill()
    other.join()
    holder = Holder()
    runs.hold(holder, tmp_path)  # type: ignore[arg-type]
    runs.release(id(holder))
    runs.release(id(holder))


def test_leftovers_alone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    kept = [tmp_path / "best.ckpt", tmp_path / ".run.lock", tmp_path / "checkpoints" / "last.ckpt"]
    left = [tmp_path / f".best.ckpt.{'0a' * 16}", tmp_path / "checkpoints" / f".l.{'f' * 32}"]
    for path in [*kept, *left]:
        path.touch()
    runs.remove_leftovers(tmp_path)
    assert [path.exists() for path in [*kept, *left]] == [True] * 3 + [False] * 2


def _fit(csv: Path, rate: float, barrier: Any) -> None:
    barrier.wait()
    options = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    rate_option = f"--model.optimizer.init_args.lr={rate}"
    sys.exit(main(["fit", "--config", str(TINY), *options, rate_option]))


@pytest.mark.timeout(300)
def test_fits_started_together_report_their_own_weights(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    rates = (0.001, 0.01)
    barrier = _fork.Barrier(len(rates))
    fits = [_fork.Process(target=_fit, args=(csv, rate, barrier)) for rate in rates]
    for process in fits:
        process.start()
    for process in fits:
        process.join()
    assert [process.exitcode for process in fits] == [0, 0]
    identities = set()
    for folder in (Path("runs/fit/version_0"), Path("runs/fit/version_1")):
        identity = json.loads((folder / "run.json").read_text())["id"]
        for name in ("best.ckpt", "checkpoints/last.ckpt"):
            assert torch.load(folder / name, weights_only=True)["run"]["id"] == identity
        identities.add(identity)
    assert len(identities) == 2
    assert len(list(Path("runs/fit").iterdir())) == 2


def test_a_resumed_fit_names_the_runs_that_it_goes_on_from(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    line += ["--data.table.target=target"]
    known: list[str] = []
    for number in range(3):
        path = f"runs/fit/version_{number - 1}/checkpoints/last.ckpt"
        resumed = [f"--ckpt_path={path}", f"--trainer.max_epochs={2 + number}"] if number else []
        assert main([*line, *resumed]) == 0
        content = json.loads(Path(f"runs/fit/version_{number}/run.json").read_text())
        assert content["lineage"] == known
        assert content["table"]["rows"] == 160
        assert content["command"] == "fit"
        known = [content["id"], *known]
    assert len(set(known)) == 3


def test_a_named_folder_is_claimed_without_a_logger(tmp_path: Path) -> None:
    trainer: Any = SimpleNamespace(loggers=[], default_root_dir=str(tmp_path / "run"))
    assert runs.local_folder(trainer) == tmp_path / "run"
