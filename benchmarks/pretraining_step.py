"""Processor time of a step of pre-training, by stage of the curriculum: torch, native kernels.

    python benchmarks/pretraining_step.py [--steps 9] [--stages 1 2 3 4] [--losses 99] [--out FILE]

Reads model, optimiser and tasks from `configs/pretrain/nano2-*.yaml`. Both take turns on the same
tasks, on one thread; a step is `time.process_time` of drawing the tasks, forward, backward and
optimiser. With `--losses` both train that many steps of the first stage from the same
weights, and the table tells how far their losses are apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from output import write_lines

from lit_causalmix.backbones import AxialTransformer
from lit_causalmix.episode import Episode
from lit_causalmix.prior import PriorSettings, draw_tasks
from lit_causalmix.training import MuonAdamW

KINDS = {"torch": False, "native": True}
CONFIGS = Path(__file__).parents[1] / "configs" / "pretrain"


class Trained:
    """A model with its optimiser."""

    def __init__(
        self,
        settings: dict[str, Any],
        native: bool = False,
        float32: bool = False,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.model = AxialTransformer(**settings["backbone"]["init_args"] | {"native": native})
        self.model.to(device)
        groups = self.model.parameter_groups().items()
        self.optimizer = MuonAdamW(
            [{"name": name, "params": parameters} for name, parameters in groups],
            **settings["optimizer"]["init_args"],
        )
        self.float32 = float32

    def step(self, tasks: Sequence[Episode]) -> tuple[float, list[float]]:
        """The loss, and processor seconds of forward, backward and optimiser."""
        times = [time.process_time()]
        with torch.autocast(self.device, torch.bfloat16, enabled=not self.float32):
            loss = self.model.losses(tasks).mean()
        times.append(time.process_time())
        loss.backward()  # type: ignore[no-untyped-call]
        times.append(time.process_time())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        times.append(time.process_time())
        return loss.item(), [b - a for a, b in pairwise(times)]


def stages(settings: dict[str, Any]) -> list[tuple[PriorSettings, int]]:
    """Ranges and cells of each stage."""
    found = []
    for stage in settings["data"]["init_args"]["stages"]:
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in stage["prior"].items()}
        found.append((PriorSettings(**given), stage["step_cells"]))
    return found


def stage_row(
    number: int, stage: tuple[PriorSettings, int], kinds: dict[str, Trained], steps: int
) -> str:
    """One line: medians of a step's parts and of the ratio."""
    prior, cells = stage
    seconds: dict[str, list[list[float]]] = {name: [] for name in kinds}
    drawing = []
    for index in range(steps):
        start = time.process_time()
        tasks = draw_tasks(prior, cells=cells, seed=1, epoch=number, index=index)
        drawing.append(time.process_time() - start)
        for name, trained in kinds.items():
            seconds[name].append(trained.step(tasks)[1])
    data = statistics.median(drawing)
    totals = {name: [data + sum(parts) for parts in found] for name, found in seconds.items()}
    ratios = [a / b for a, b in zip(totals["torch"], totals["native"], strict=True)]
    text = [str(number), f"{data:.2f}"]
    for name, found in seconds.items():
        parts = [statistics.median(part) for part in zip(*found, strict=True)]
        text += [f"{statistics.median(totals[name]):.2f} ({' + '.join(f'{p:.2f}' for p in parts)})"]
    return f"| {' | '.join(text)} | {statistics.median(ratios):.2f} |"


def loss_line(stage: tuple[PriorSettings, int], kinds: dict[str, Trained], steps: int) -> str:
    """How the losses of trainings from the same weights compare."""
    prior, cells = stage
    curves: dict[str, list[float]] = {name: [] for name in kinds}
    for index in range(steps):
        tasks = draw_tasks(prior, cells=cells, seed=1, epoch=0, index=index)
        for name, trained in kinds.items():
            curves[name].append(trained.step(tasks)[0])
    last = {name: statistics.mean(curve[-steps // 5 :]) for name, curve in curves.items()}
    apart = [abs(a - b) for a, b in zip(curves["torch"], curves["native"], strict=True)]
    return (
        f"Loss over {steps} steps of {cells} cells from the same weights: last fifth "
        + ", ".join(f"{name} {mean:.4f}" for name, mean in last.items())
        + f"; a step's losses are {statistics.mean(apart):.4f} apart on average."
    )


def main() -> None:
    """Measures every stage and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=("classifier", "regressor"), default="classifier")
    parser.add_argument("--steps", type=int, default=9, help="of each stage")
    parser.add_argument("--stages", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument("--losses", type=int, default=0, help="steps of the training to compare")
    parser.add_argument("--cells", type=int, help="cells of a step of that training")
    parser.add_argument("--float32", action="store_true", help="instead of bf16-mixed")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = CONFIGS / f"nano2-{arguments.task}.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    curriculum = stages(settings)
    kinds = {
        name: Trained(settings["model"], native, arguments.float32)
        for name, native in KINDS.items()
    }
    lines = []
    if arguments.losses:
        prior, cells = curriculum[0]
        lines = [loss_line((prior, arguments.cells or cells), kinds, arguments.losses), ""]
    elif arguments.stages:  # the kernels are compiled before anything is measured
        kinds["native"].step(draw_tasks(curriculum[1][0], cells=100, seed=0, epoch=0, index=0))
    lines += [
        "| stage | data | torch (forward + backward + optimiser) | native | ratio |",
        "|---|---|---|---|---|",
    ]
    for number in arguments.stages:
        lines.append(stage_row(number, curriculum[number - 1], kinds, arguments.steps))
        sys.stderr.write(f"{lines[-1]}\n")
    write_lines(lines, arguments.out)


if __name__ == "__main__":
    main()
