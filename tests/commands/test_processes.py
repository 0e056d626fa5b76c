"""Ranks and workers that die end a command in one line."""

import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from torch import distributed

from lit_causalmix.commands.processes import dead_processes
from lit_causalmix.errors import WorkerError


def _rank(number: int, folder: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=number, world_size=2
    )
    distributed.barrier()
    if number == 1:
        os._exit(9)
    try:
        with dead_processes():
            for _ in range(1000):
                distributed.all_reduce(torch.ones(1))
    except WorkerError as error:
        (folder / "said.txt").write_text(str(error))
    os._exit(0)


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="torch was built without gloo")
def test_a_rank_that_dies_is_said_in_one_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=_rank, args=(number, tmp_path)) for number in (0, 1)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    said = (tmp_path / "said.txt").read_text()
    assert said.startswith("another process of this fit has ended, or cannot be reached")
    assert len(said.splitlines()) == 1


def test_what_is_no_death_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="a mistake"), dead_processes():
        raise RuntimeError("a mistake")
    with pytest.raises(WorkerError, match=r"lower data\.num_workers"), dead_processes():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
