"""Tab2D beside AutoGluon's: processor time and memory of steps and predictions.

    python benchmarks/tab2d.py [--peer FOLDER] [--dim 64] [--layers 4] [--rows 300] [--queries 80]
        [--columns 20] [--repeats 5] [--float32] [--out FILE]

FOLDER holds AutoGluon's code: `pip install --no-deps --target FOLDER autogluon.tabular` and `pip
install --target FOLDER einops einx huggingface_hub`; of it `Tab2D` alone is loaded. All take turns
on one table, on one thread, from random weights of equal sizes, in bfloat16 by autocast as
AutoGluon fine-tunes, or in float32. A step is forward and backward, `time.process_time`, median.
Memory is the most that a process of its own needs for three steps above what it needed before.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from output import write_lines
from torch import Tensor

from lit_causalmix.backbones import Tab2D
from lit_causalmix.episode import Episode

N_CLASSES = 10
PEER_FOLDER = "autogluon/tabular/models"

Runner = Callable[[], Tensor]


def episode(arguments: argparse.Namespace) -> Episode:
    """Standard normal columns with a linear signal."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(arguments.rows + arguments.queries, arguments.columns, generator=g)
    place = (x[:, 0] + 0.5 * x[:, 1]).argsort().argsort()
    return Episode.of_rows(x, place * N_CLASSES // len(x), arguments.rows, N_CLASSES)


def ours(table: Episode, arguments: argparse.Namespace, **options: Any) -> Runner:
    """Logits of this package's."""
    model = Tab2D(arguments.dim, arguments.layers, n_outputs=N_CLASSES, **options).train()
    return partial(model, table)


def peer(table: Episode, arguments: argparse.Namespace) -> Runner:
    """Logits of AutoGluon's, which checkpoints each layer in any case."""
    folder = arguments.peer / PEER_FOLDER / "mitra"
    sys.path.append(str(arguments.peer))
    package = types.ModuleType("mitra")
    package.__path__ = [str(folder)]  # its own __init__ imports all of AutoGluon
    sys.modules["mitra"] = package
    made = importlib.import_module("mitra._internal.models.tab2d").Tab2D
    model = made(
        arguments.dim, N_CLASSES, arguments.layers, 4, "CLASSIFICATION", False, "", device="cpu"
    )
    n_context, n_columns = table.x_context.shape
    padding = [torch.zeros(1, n, dtype=torch.bool) for n in (n_columns, n_context, table.n_query)]

    def run() -> Tensor:
        tables = (table.x_context[None], table.y_context[None], table.x_query[None])
        output: Tensor = model(*(t.clone() for t in tables), *padding)  # it writes into them
        return output[0]

    return run


def kinds(arguments: argparse.Namespace) -> dict[str, Callable[[Episode], Runner]]:
    """What is compared, by name."""
    found: dict[str, Callable[[Episode], Runner]] = {
        "torch": partial(ours, arguments=arguments),
        "native": partial(ours, arguments=arguments, native=True),
        "torch, checkpointing": partial(
            ours, arguments=arguments, activation_checkpointing=True
        ),
        "native, checkpointing": partial(
            ours, arguments=arguments, native=True, activation_checkpointing=True
        ),
    }  # fmt: skip
    if arguments.peer:
        found["AutoGluon"] = partial(peer, arguments=arguments)
    return found


def step(run: Runner, table: Episode, float32: bool) -> None:
    """Forward and backward."""
    with torch.autocast("cpu", torch.bfloat16, enabled=not float32):
        loss = torch.nn.functional.cross_entropy(run().float(), table.y_query)
    loss.backward()  # type: ignore[no-untyped-call]


def prediction(run: Runner, _: Episode, float32: bool) -> None:
    """Forward alone."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=not float32):
        run()


def peak(name: str, arguments: argparse.Namespace) -> float:
    """MiB of three steps above those before; to be called in a process of its own."""
    torch.set_num_threads(1)
    table = episode(arguments)
    run = kinds(arguments)[name](table)
    small = Episode.of_rows(table.x_context[:8, :2], table.y_context[:8], 6, N_CLASSES)
    if name != "AutoGluon":
        step(partial(run.func, small), small, arguments.float32)  # type: ignore[attr-defined]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step(run, table, arguments.float32)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """Measures and writes a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", type=Path, help="folder with AutoGluon's code")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rows", type=int, default=300, help="context rows")
    parser.add_argument("--queries", type=int, default=80, help="query rows")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--float32", action="store_true", help="instead of bfloat16")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {n: pool.apply(peak, (n, arguments)) for n in kinds(arguments)}
    torch.set_num_threads(1)
    table = episode(arguments)
    runs = {name: make(table) for name, make in kinds(arguments).items()}
    seconds: dict[tuple[str, str], list[float]] = {}
    for repeat in range(arguments.repeats + 1):
        for name, run in runs.items():
            for what in (step, prediction):
                start = time.process_time()
                what(run, table, arguments.float32)
                taken = time.process_time() - start
                if repeat:  # the first one compiles
                    seconds.setdefault((name, what.__name__), []).append(taken)
    base = "AutoGluon" if arguments.peer else "torch"
    lines = ["| | step | times faster | prediction | times faster | memory |", "|---|" + "---|" * 5]
    for name in runs:
        cells = [name]
        for what in ("step", "prediction"):
            ratios = [a / b for a, b in zip(seconds[base, what], seconds[name, what], strict=True)]
            cells += [
                f"{statistics.median(seconds[name, what]):.2f} s",
                f"{statistics.median(ratios):.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} | {memory[name]:.0f} MiB |")
    write_lines(lines, arguments.out)


if __name__ == "__main__":
    main()
