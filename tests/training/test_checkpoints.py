"""Checkpoints on disk: the one before stays until the next one is whole."""

import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_causalmix.errors import ConfigurationError, FileError
from lit_causalmix.training.checkpoints import AtomicCheckpointIO, read_checkpoint
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


def test_no_damaged_byte_of_a_checkpoint_is_read(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    content = {"state_dict": {"w": torch.arange(50.0)}, "callbacks": {"a": {"b": 1}}, "epoch": 3}
    AtomicCheckpointIO().save_checkpoint(content, path)
    whole, words = path.read_bytes(), []
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 0b1010
        path.write_bytes(damaged)
        try:
            found = read_checkpoint(path)
        except ConfigurationError as error:
            words.append(str(error))
        else:  # a byte between the parts, which holds nothing
            assert torch.equal(found["state_dict"]["w"], content["state_dict"]["w"])
            assert (found["callbacks"], found["epoch"]) == (content["callbacks"], 3)
    assert len(words) > len(whole) / 7 / 2
    assert not [line for line in words if "\n" in line]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"weights", bytes(1000)])
def test_what_is_no_archive_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is damaged or no checkpoint"):
        read_checkpoint(path)
