"""How the cost of a training step grows, beside its operations and the machine's rate.

    python benchmarks/cost.py --out docs/results/cost

measures processor seconds (one thread, medians) of a step, forward and backward, of version 1 of
`Nano` and of TabPFN v1 (random weights) by rows, columns and classes, and those of fitting and of
drawing 512 rows by the number of graphs. It writes a picture (.png), the numbers (.json) and a page
(.md).

Operations are counted by torch's `FlopCounterMode`, attention included; the machine's rate is that
of a product of two square float32 matrices, measured between the steps. *Share* is what a step
reaches of that rate; what is no product (norms, softmax, activations, copies, Python) makes it
smaller.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from lit_causalmix.backbones import Backbone, Nano, TabPFNV1
from lit_causalmix.episode import Episode
from lit_causalmix.generators import SCMGenerator
from lit_causalmix.pages.drawing import new_figure, png
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

USUAL = {"rows": 500, "columns": 20, "classes": 2}
"""Sizes that stay where another one varies; four rows in five are context."""

AXES = {
    "rows": (125, 250, 500, 1_000, 1_250),
    "columns": (5, 10, 20, 40, 80),
    "classes": (2, 5, 10, 30),
}
GRAPHS = (1, 2, 4, 8, 16)
_GRAPH_ROWS, _DRAWN = 300, 512
_MATRIX = 1_536


@dataclass(frozen=True)
class Point:
    """What one size costs.

    Attributes:
        backbone: Its name.
        axis: What varies.
        size: Its value.
        seconds: Processor seconds of a step, median.
        operations: Of products and attention, forward and backward; a product counts two a term.
        rate: Of the machine meanwhile, operations per second.
    """

    backbone: str
    axis: str
    size: int
    seconds: float
    operations: float
    rate: float

    @property
    def share(self) -> float:
        """Of the machine's rate."""
        return self.operations / self.seconds / self.rate


def machine_rate() -> float:
    """Operations per second of a large float32 product on one thread, the best of three."""
    a, b = torch.randn(2, _MATRIX, _MATRIX)
    return max(2 * _MATRIX**3 / processor_seconds(lambda: a @ b) for _ in range(3))


def processor_seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def episode(rows: int, columns: int, classes: int) -> Episode:
    """Standard normal columns and classes in turn; a fifth of the rows are asked about."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=g)
    return Episode.of_rows(x, torch.arange(rows) % classes, rows - rows // 5, classes)


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> int:
    """Operations of two products: scores, and weighted values."""
    batch, heads, n_query, width = query
    return 2 * batch * heads * n_query * key[2] * (width + value[3])


def _forward(q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: object, **__: object) -> int:
    return _attention(q, k, v)


def _backward(
    _grad: object, q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: object, **__: object
) -> int:
    """Five products in place of two: scores again, and a gradient of each factor."""
    return _attention(q, k, v) * 5 // 2


def operations(step: Callable[[], object]) -> float:
    """Operations of products and attention; what torch counts, and its attention on a CPU."""
    aten = torch.ops.aten
    own = {
        aten._scaled_dot_product_flash_attention_for_cpu: _forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward,
    }
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        step()
    return float(counter.get_total_flops())


def cost_of(backbone: Backbone, drawn: Episode, repeats: int) -> tuple[float, float, float]:
    """Seconds and operations of one training step, and the machine's rate meanwhile."""

    def step() -> None:
        backbone.zero_grad()
        backbone.losses([drawn]).mean().backward()

    counted = operations(step)  # the first step, which warms up, too
    seconds, rates = [], []
    for _ in range(repeats):
        rates.append(machine_rate())
        seconds.append(processor_seconds(step))
    return statistics.median(seconds), counted, statistics.median(rates)


def steps(repeats: int) -> Iterator[Point]:
    """All points of both models, within their limits."""
    models: dict[str, Backbone] = {"Nano 1": Nano(1, read_columns=max(AXES["columns"]))}
    models["TabPFN v1"] = TabPFNV1(None)
    for name, backbone in models.items():
        backbone.train()
        most = backbone.limits
        for axis, sizes in AXES.items():
            for size in sizes:
                drawn = episode(**USUAL | {axis: size})
                if len(drawn.y_context) > most.context_rows or drawn.n_classes > most.classes:
                    continue
                point = Point(name, axis, size, *cost_of(backbone, drawn, repeats))
                print(f"{name}, {size} {axis}: {point.seconds:.2f} s, {point.share:.0%}")
                yield point


def graphs(repeats: int) -> list[dict[str, float]]:
    """Fitting and drawing by the number of graphs."""
    found = []
    train = load_splits(TableSpec("german_credit"), SplitSpec(max_train_rows=_GRAPH_ROWS)).train
    for n in (GRAPHS[0], *GRAPHS):  # the first fit warms up
        generator = SCMGenerator(n_dags=n)
        fit = processor_seconds(partial(generator.fit, train, seed=0, progress=False))
        draw = (partial(generator.sample, _DRAWN, rng(0, "cost", k)) for k in range(1 + repeats))
        drawn = [processor_seconds(rows) for rows in draw]
        found.append({"graphs": n, "fit": fit, "draw": statistics.median(drawn[1:])})
        print(found[-1])
    return found[1:]


def picture(points: Sequence[Point], by_graphs: Sequence[dict[str, float]]) -> bytes:
    """Seconds by size, with the seconds that the operations alone would take; and by graphs."""
    figure = new_figure(10, 7)
    panels = figure.subplots(2, 2).ravel()
    for panel, axis in zip(panels, AXES, strict=False):
        for name, colour in (("Nano 1", "#2f6fde"), ("TabPFN v1", "#c2410c")):
            line = [p for p in points if p.axis == axis and p.backbone == name]
            sizes = [p.size for p in line]
            panel.plot(sizes, [p.seconds for p in line], "o-", color=colour, label=name)
            limit = [p.operations / p.rate for p in line]
            panel.plot(sizes, limit, ":", color=colour, label=f"{name}, operations at full rate")
        panel.set_xlabel(axis)
        panel.set_ylabel("processor seconds of a step")
    panels[0].legend(fontsize=8)
    for what, colour in (("fit", "#15803d"), ("draw", "#7c3aed")):
        words = {"fit": "discovery and fit", "draw": f"{_DRAWN} rows drawn"}[what]
        sizes = [row["graphs"] for row in by_graphs]
        panels[3].plot(sizes, [row[what] for row in by_graphs], "o-", color=colour, label=words)
    panels[3].set_xlabel("graphs")
    panels[3].set_ylabel("processor seconds")
    panels[3].legend(fontsize=8)
    for panel, sizes in zip(panels, (*AXES.values(), GRAPHS), strict=True):
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
        panel.yaxis.set_major_formatter("{x:g}")
        low, high = panel.get_ylim()
        panel.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else "")
        panel.xaxis.set_minor_formatter("")
        panel.grid(alpha=0.3)
    return png(figure)


def page(points: Sequence[Point], by_graphs: Sequence[dict[str, float]], name: str) -> str:
    """The numbers as Markdown."""
    rate = statistics.median(p.rate for p in points)
    facts = f"Python {platform.python_version()}, torch {torch.__version__}, one thread"
    lines = ["# How cost grows", "", f"`python benchmarks/cost.py`; {facts}.", ""]
    lines += (__doc__ or "").split("\n\n")[-1].strip().splitlines()
    lines += ["", f"![Seconds by rows, columns, classes and graphs]({name}.png)", ""]
    lines += [f"The machine's rate was {rate / 1e9:.0f} GFLOP/s (median)."]
    lines += ["", "| model | varied | size | seconds | GFLOP | share | growth |", "|---" * 7 + "|"]
    for before, p in zip([None, *points], points, strict=False):
        same = before and (before.backbone, before.axis) == (p.backbone, p.axis)
        power = f"{_power(before, p):.2f}" if before and same else ""
        lines.append(
            f"| {p.backbone} | {p.axis} | {p.size:,} | {p.seconds:.2f} | "
            f"{p.operations / 1e9:.1f} | {p.share:.0%} | {power} |"
        )
    lines += ["", "*Growth* is the power of the size by which seconds grew from the row above.", ""]
    lines += [f"Graphs, {_GRAPH_ROWS} rows of German credit:", ""]
    lines += ["| graphs | discovery and fit, s | 512 rows drawn, s |", "|---|---|---|"]
    lines += [f"| {r['graphs']:.0f} | {r['fit']:.2f} | {r['draw']:.4f} |" for r in by_graphs]
    return "\n".join(lines) + "\n"


def _power(a: Point, b: Point) -> float:
    return math.log(b.seconds / a.seconds) / math.log(b.size / a.size)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="without an ending")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draw", action="store_true", help="what the .json holds, once more")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    numbers = options.out.with_suffix(".json")
    if options.draw:
        content = json.loads(numbers.read_text())
        points, by_graphs = [Point(**p) for p in content["steps"]], content["graphs"]
    else:
        points, by_graphs = list(steps(options.repeats)), graphs(options.repeats)
        content = {"steps": [asdict(p) for p in points], "graphs": by_graphs}
        numbers.write_text(json.dumps(content, indent=1) + "\n")
    options.out.with_suffix(".png").write_bytes(picture(points, by_graphs))
    options.out.with_suffix(".md").write_text(page(points, by_graphs, options.out.name))


if __name__ == "__main__":
    main()
