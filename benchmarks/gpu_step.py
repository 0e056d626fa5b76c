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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from output import write_lines
from pretraining_step import CONFIGS, stages

from lit_causalmix.backbones import AxialTransformer
from lit_causalmix.backbones.axial import network
from lit_causalmix.episode_stack import EpisodeStack
from lit_causalmix.prior import PriorSettings, draw_tasks
from lit_causalmix.training import MuonAdamW

KINDS = {"fused": 0, "products for few keys": network._FEW_KEYS}
"""Name -> most keys that plain products take."""
WARM = 3


@contextmanager
def few_keys(most: int) -> Iterator[None]:
    """Lets plain products take so many keys at most."""
    before = network._FEW_KEYS
    network._FEW_KEYS = most
    try:
        yield
    finally:
        network._FEW_KEYS = before


def cells_of(stack: EpisodeStack) -> int:
    """Rows x (columns + 1) of all tasks, with those that fill queries up."""
    context, query = stack.rows.x_context, stack.rows.x_query
    return len(stack) * (context.shape[1] + query.shape[1]) * (context.shape[2] + 1)


def drawn(prior: PriorSettings, cells: int, count: int) -> list[EpisodeStack]:
    """Batches of so many cells."""
    places = ({"seed": 3, "epoch": 0, "index": index} for index in range(count))
    return [EpisodeStack.of(draw_tasks(prior, cells=cells, **place)) for place in places]


class Trained:
    """A model on a device, with its optimiser."""

    def __init__(self, settings: dict[str, Any], device: torch.device) -> None:
        self.device = device
        self.model = AxialTransformer(**settings["backbone"]["init_args"]).to(device)
        self.optimizer = MuonAdamW(
            [{"name": n, "params": p} for n, p in self.model.parameter_groups().items()],
            **settings["optimizer"]["init_args"],
        )

    def seconds(self, stack: EpisodeStack) -> float:
        """Wall time of a step."""
        start = time.perf_counter()
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.model.losses(stack.to(self.device)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def measured(trained: Trained, batches: list[EpisodeStack]) -> str:
    """One line of the table: cells per second of each kind, and the median ratio of the times."""
    seconds: dict[str, list[float]] = {name: [] for name in KINDS}
    for number, batch in enumerate([*batches[:WARM], *batches]):
        for name, most in KINDS.items():
            with few_keys(most):
                taken = trained.seconds(batch)
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
    trained = Trained(settings["model"], torch.device("cuda"))
    lines = [
        f"| cells | {' | '.join(f'{name}, M cells/s' for name in KINDS)} | ratio of times |",
        "|---|---|---|---|",
    ]
    for cells in arguments.cells:
        lines.append(measured(trained, drawn(prior, cells, arguments.batches)))
    write_lines(lines, arguments.out)


if __name__ == "__main__":
    main()
