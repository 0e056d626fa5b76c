"""What one of two processes (gloo, CPU) gives up for want of time, the other gives up, too."""

import multiprocessing
import os
import socket
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import DomainMetrics, TimeLimit, ZeroShotBaseline
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.deadlines import check
from lit_causalmix.generators import JitterGenerator
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask


class Asking(JitterGenerator):
    """Ends where its time is up."""

    def fit(self, *arguments: Any, **settings: Any) -> None:
        check()
        super().fit(*arguments, **settings)


def _fit(csv: Path, rank: int, port: int) -> None:
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    sys.stdout = sys.stderr = (csv.parent / f"said_{rank}.txt").open("w")
    limit = TimeLimit(1000)
    if rank == 0:
        limit._began -= 600  # it was first by far: the generator's half of the time is over
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_steps=1,
        default_root_dir=csv.parent,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ZeroShotBaseline(), DomainMetrics(), limit],
    )
    table = TableSpec(str(csv), target="target")
    data = CausalMixDataModule(table, generator=Asking(), cache_dir=str(csv.parent / "cache"))
    trainer.fit(CausalMixTask(Tab2D(dim=16, n_layers=1)), datamodule=data)
    (csv.parent / f"rank_{rank}.txt").write_text(f"{data.method}: {data.given_up}")
    os._exit(0)


@pytest.mark.timeout(300)
def test_ranks_give_up_the_generator_together(csv: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=_fit, args=(csv, number, port)) for number in (0, 1)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(240)
        rank.kill()
    said = (csv.parent / "said_0.txt").read_text()
    first, second = ((csv.parent / f"rank_{number}.txt").read_text() for number in (0, 1))
    assert first == second, said
    assert first.startswith("real rows only: there are real rows alone")
