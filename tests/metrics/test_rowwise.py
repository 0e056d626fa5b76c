import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from lit_causalmix.metrics import CLASSIFICATION, RowMetric, row_metrics


def test_batches_give_the_score_of_all_rows_and_not_an_average() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.softmax(torch.randn(40, 3, generator=generator), 1)
    y = torch.arange(40) % 3
    collection = row_metrics(True)
    for rows in (slice(0, 7), slice(7, 7), slice(7, 40)):
        collection.update(p[rows], y[rows])
    values = collection.compute()
    for spec in CLASSIFICATION:
        assert float(values[spec.name]) == spec.function(p, y).value


def test_no_rows_and_unfinite_predictions_are_undefined() -> None:
    metric = RowMetric(CLASSIFICATION[1])
    assert metric.score().note == "no rows"
    metric.update(torch.full((2, 2), math.nan), torch.tensor([0, 1]))
    assert "not finite" in metric.score().note
    assert math.isnan(float(metric.compute()))


_TWO_PROCESSES = """
import sys
import torch
import torch.distributed as dist
from lit_causalmix.metrics import row_metrics

rank, path = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
p = torch.softmax(torch.randn(31, 3, generator=torch.Generator().manual_seed(0)), 1)
y = torch.arange(31) % 3
# Uneven shares, and rank 1 holds no row of its own in the first batch.
rows = [slice(0, 20), slice(20, 25)] if rank == 0 else [slice(31, 31), slice(25, 31)]
metrics = row_metrics(True)
for part in rows:
    metrics.update(p[part], y[part])
values = {k: float(v) for k, v in metrics.compute().items()}
alone = row_metrics(True)
for metric in alone.values():
    metric.distributed_available_fn = lambda: False
alone.update(p, y)
expected = {k: m.score().value for k, m in alone.items()}
dist.barrier()
dist.destroy_process_group()  # a rank that just exits can be aborted by gloo's threads
sys.exit(0 if values == expected else f"{values} != {expected}")
"""


@pytest.mark.timeout(120)
def test_two_processes_give_the_score_of_one(tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(textwrap.dedent(_TWO_PROCESSES))
    command = [sys.executable, str(script)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], env=env) for rank in (0, 1)
    ]
    assert [process.wait(timeout=100) for process in ranks] == [0, 0]
