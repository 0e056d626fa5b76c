"""Checkpoints on disk: the one before stays until the next one is whole."""

import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from lit_causalmix.errors import FileError
from lit_causalmix.training.checkpoints import AtomicCheckpointIO
from lit_causalmix.training.runs import remove_leftovers

_fork = multiprocessing.get_context("fork")


class KillsItsWriter:
    """Ends the process in the middle of the file that it is written to."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def _write(path: Path, content: dict[str, Any], limit: int | None = None) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        AtomicCheckpointIO().save_checkpoint(content, path)
    except FileError as error:
        sys.exit(3 if str(path) in str(error) else 4)


def _end(*args: Any) -> int | None:
    process = _fork.Process(target=_write, args=args)
    process.start()
    process.join()
    return process.exitcode


def test_a_writer_that_is_killed_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    big = torch.zeros(100_000)
    assert _end(path, {"step": 2, "weights": big, "last": KillsItsWriter()}) == -signal.SIGKILL
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert len(list(path.parent.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    assert _end(path, {"weights": torch.zeros(100_000)}, 50_000) == 3
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
