"""Folds run once, one after the other or side by side, and leave what is needed behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from lit_causalmix.ensembles import HeldOut, Predicted, fold_folder, member_weights, run_folds
from lit_causalmix.ensembles.held_out import forget_others, save_weights
from lit_causalmix.errors import ConfigurationError, FileError, TableError


@dataclass(frozen=True)
class Toy:
    """Leaves predictions that depend on the fold, and notes that it ran."""

    notes: Path
    fails: int = -1

    def __call__(self, fold: int, folder: Path) -> None:
        with (self.notes / "ran").open("a") as stream:
            stream.write(f"{fold}\n")
        if fold == self.fails:
            raise TableError("this fold cannot be fitted")
        rows = torch.arange(3)
        facts = (rows.double(), rows, torch.zeros(3, dtype=torch.int8))
        generator = torch.Generator().manual_seed(fold)
        moments = {s: torch.rand(3, generator=generator, dtype=torch.float64) for s in (0, 2, 4)}
        HeldOut({s: Predicted(p, *facts) for s, p in moments.items()}).save(folder)

    @property
    def ran(self) -> list[int]:
        path = self.notes / "ran"
        return sorted(map(int, path.read_text().split())) if path.exists() else []


def content(found: list[HeldOut]) -> list[dict[int, list[float]]]:
    return [{s: p.predictions.tolist() for s, p in fold.moments.items()} for fold in found]


def test_both_ways_lead_to_the_same_bits(tmp_path: Path) -> None:
    fit = Toy(tmp_path)
    alone = run_folds(fit, tmp_path / "a", 3, settings="s")
    beside = run_folds(fit, tmp_path / "b", 3, settings="s", jobs=2)
    assert content(alone) == content(beside)
    assert fit.ran == [0, 0, 1, 1, 2, 2]
    assert alone[0].steps == (0, 2, 4)


def test_finished_folds_are_kept_and_not_run_again(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="this fold"):
        run_folds(Toy(tmp_path, fails=1), tmp_path / "a", 3, settings="s")
    fit = Toy(tmp_path)
    assert fit.ran == [0, 1]
    found = run_folds(fit, tmp_path / "a", 3, settings="s")
    assert fit.ran == [0, 1, 1, 2]
    assert content(found) == content(run_folds(fit, tmp_path / "b", 3, settings="s"))


def test_an_error_of_a_fold_side_by_side_is_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="this fold cannot be fitted"):
        run_folds(Toy(tmp_path, fails=2), tmp_path / "a", 3, settings="s", jobs=2)


def test_folds_of_other_settings_are_refused(tmp_path: Path) -> None:
    run_folds(Toy(tmp_path), tmp_path / "a", 2, settings="s")
    with pytest.raises(ConfigurationError, match="a fold of other settings"):
        run_folds(Toy(tmp_path), tmp_path / "a", 2, settings="t")
    with pytest.raises(ConfigurationError, match="jobs must be at least 1, got 0"):
        run_folds(Toy(tmp_path), tmp_path / "a", 2, settings="s", jobs=0)


def test_a_damaged_mark_means_that_the_fold_is_fitted_again(tmp_path: Path) -> None:
    fit = Toy(tmp_path)
    run_folds(fit, tmp_path / "a", 2, settings="s")
    (fold_folder(tmp_path / "a", 1) / "fold.json").write_text("{")
    run_folds(fit, tmp_path / "a", 2, settings="s")
    assert fit.ran == [0, 1, 1]


def test_predictions_that_are_cut_are_said(tmp_path: Path) -> None:
    fit = Toy(tmp_path)
    run_folds(fit, tmp_path / "a", 2, settings="s")
    path = fold_folder(tmp_path / "a", 1) / "held_out.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FileError, match=r"held_out.safetensors cannot be read"):
        run_folds(fit, tmp_path / "a", 2, settings="s")


def test_weights_that_training_changed_are_kept_until_the_step_is_chosen(tmp_path: Path) -> None:
    start = {"a": torch.zeros(3), "b": torch.ones(2)}
    for number in (2, 4):
        save_weights(tmp_path, number, {**start, "a": torch.full((3,), float(number))}, start)
    assert list(member_weights(tmp_path, 4)) == ["a"]
    assert member_weights(tmp_path, 4)["a"].tolist() == [4.0] * 3
    assert member_weights(tmp_path, 0) == {}
    forget_others(tmp_path, 4)
    with pytest.raises(FileError, match=r"step_0000002.safetensors cannot be read"):
        member_weights(tmp_path, 2)


RUNNER = """
import os, sys, time
from pathlib import Path
from lit_causalmix.ensembles import run_folds

def fit(fold, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "worker.part").write_text(str(os.getpid()))
    (folder / "worker.part").rename(folder / "worker")
    time.sleep(600)

run_folds(fit, Path(sys.argv[1]), 2, settings="s", jobs=2)
"""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux lists them")
def test_workers_end_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path)], start_new_session=True)
    noted = [fold_folder(tmp_path, fold) / "worker" for fold in range(2)]
    try:
        deadline = time.monotonic() + 240
        while not all(path.exists() for path in noted) and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = [int(path.read_text()) for path in noted]
        assert all(map(alive, workers))
    finally:
        runner.kill()
        runner.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [worker for worker in workers if alive(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left
