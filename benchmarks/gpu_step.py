"""Seconds of a step of pre-training on a GPU: attention over few keys fused, and by plain products.

    python benchmarks/gpu_step.py [--cells 130000 520000] [--batches 12] [--out FILE]

Reads model, optimiser and tasks from `configs/pretrain/nano3-classifier.yaml` (its main stage). All
batches have shapes of their own, as in training. Both take turns on the same batches behind three
to warm up; a step is the wall time of moving the tasks, forward, backward and optimiser.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
import yaml
from output import write_lines
from pretraining_step import CONFIGS, Trained, stages

from lit_causalmix.backbones.axial import network
from lit_causalmix.episode_stack import EpisodeStack
from lit_causalmix.prior import PriorSettings, draw_tasks

KINDS = {"fused": 0, "products for few keys": network._FEW_KEYS}
"""Name -> most keys that plain products take."""
WARM = 3


few_keys = partial(patch.object, network, "_FEW_KEYS")
"""Lets plain products take so many keys at most, in a `with` block."""


def cells_of(stack: EpisodeStack) -> int:
    """Rows x (columns + 1) of all tasks, with those that fill queries up."""
    context, query = stack.rows.x_context, stack.rows.x_query
    return len(stack) * (context.shape[1] + query.shape[1]) * (context.shape[2] + 1)


def drawn(prior: PriorSettings, cells: int, count: int) -> list[EpisodeStack]:
    """Batches of so many cells."""
    places = ({"seed": 3, "epoch": 0, "index": index} for index in range(count))
    return [EpisodeStack.of(draw_tasks(prior, cells=cells, **place)) for place in places]


def seconds_of(trained: Trained, stack: EpisodeStack) -> float:
    """Wall time of a step, which ends by reading the loss off the device."""
    start = time.perf_counter()
    trained.step(stack.to(trained.device))
    return time.perf_counter() - start


def measured(trained: Trained, batches: list[EpisodeStack]) -> str:
    """One line of the table: cells per second of each kind, and the median ratio of the times."""
    seconds: dict[str, list[float]] = {name: [] for name in KINDS}
    for number, batch in enumerate([*batches[:WARM], *batches]):
        for name, most in KINDS.items():
            with few_keys(most):
                taken = seconds_of(trained, batch)
            if number >= WARM:
                seconds[name].append(taken)
    cells = sum(cells_of(batch) for batch in batches)
    rates = [f"{cells / sum(found) / 1e6:.2f}" for found in seconds.values()]
    fused, plain = seconds.values()
    ratio = statistics.median(b / a for a, b in zip(fused, plain, strict=True))
    return f"| {cells // len(batches):,} | {' | '.join(rates)} | {ratio:.2f} |"


def main() -> None:
    """Measures every size and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[130_000, 520_000])
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this measures a GPU, and torch sees none")
    settings = yaml.safe_load((CONFIGS / "nano3-classifier.yaml").read_text(encoding="utf-8"))
    prior, _ = stages(settings)[1]
    trained = Trained(settings["model"], device="cuda")
    lines = [
        f"| cells | {' | '.join(f'{name}, M cells/s' for name in KINDS)} | ratio of times |",
        "|---|---|---|---|",
    ]
    for cells in arguments.cells:
        lines.append(measured(trained, drawn(prior, cells, arguments.batches)))
    write_lines(lines, arguments.out)


if __name__ == "__main__":
    main()
