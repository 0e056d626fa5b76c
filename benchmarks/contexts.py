"""Processor time of predicting in chunks: the context encoded once, beside read with each chunk.

    python benchmarks/contexts.py [--rows 1000] [--columns 20] [--chunk 256] [--out FILE]

Writes a table in Markdown: for each backbone the ratio encoded / plain of processor seconds
(`time.process_time`, one thread, median over repeats that alternate) at 1, 4 and 16 chunks, the
largest difference of the outputs, and what the encoded context takes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from output import write_lines

from lit_causalmix.backbones import AxialTransformer, Backbone, Nano, Tab2D, TabPFN, TabPFNV1
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LitCausalMixError

CHUNKS = (1, 4, 16)
BACKBONES: dict[str, tuple[Callable[[], Backbone], int]] = {
    "Nano 1, classification, one view": (lambda: Nano(1, n_ensemble=1), 3),
    "Nano 1, regression, four views": (lambda: Nano(1), 0),
    "Tab2D 128 × 4": (lambda: Tab2D(dim=128, n_layers=4), 3),
    "AxialTransformer 64 × 4": (AxialTransformer, 3),
    "TabPFNV1": (TabPFNV1, 3),
    "TabPFN v2, regression": (TabPFN, 0),
}


def episode(rows: int, columns: int, n_query: int, n_classes: int) -> Episode:
    """A table of standard normal columns with a linear signal."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(rows + n_query, columns, generator=g)
    signal = x[:, 0] + 0.5 * x[:, 1]
    y = signal if not n_classes else (signal.argsort().argsort() * n_classes) // len(signal)
    return Episode.of_rows(x, y, rows, n_classes)


def chunked(whole: Episode, size: int) -> list[Episode]:
    """The same context with a piece of the query rows each."""
    return [replace(whole, x_query=rows) for rows in whole.x_query.split(size)]


def plain(backbone: Backbone, parts: list[Episode]) -> torch.Tensor:
    """Predictions of all pieces, the context read with each."""
    return torch.cat([backbone.predict(backbone(part), part) for part in parts])


def encoded(backbone: Backbone, parts: list[Episode]) -> torch.Tensor:
    """Predictions of all pieces, the context read once."""
    context = backbone.encode_context(parts[0])
    return torch.cat([backbone.predict_with(context, part) for part in parts])


def seconds(function: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def row(name: str, arguments: argparse.Namespace) -> str:
    """One line of the table."""
    make, n_classes = BACKBONES[name]
    backbone = make().eval()
    cells = []
    difference = 0.0
    for n_chunks in CHUNKS:
        whole = episode(arguments.rows, arguments.columns, n_chunks * arguments.chunk, n_classes)
        parts = chunked(whole, arguments.chunk)
        difference = max(
            difference, float((plain(backbone, parts) - encoded(backbone, parts)).abs().max())
        )
        times = [
            (seconds(lambda: plain(backbone, parts)), seconds(lambda: encoded(backbone, parts)))  # noqa: B023
            for _ in range(arguments.repeats)
        ]
        before, after = (statistics.median(t) for t in zip(*times, strict=True))
        cells.append(f"{after / before:.2f} ({before:.2f} → {after:.2f} s)")
    kept = backbone.context_bytes(whole) / 2**20
    return f"| {name} | {' | '.join(cells)} | {difference:.0e} | {kept:.0f} MiB |"


def main() -> None:
    """Measures every backbone and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000, help="context rows")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--chunk", type=int, default=256, help="query rows of a chunk")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"| backbone | {' | '.join(f'{n} chunks' for n in CHUNKS)} | difference | kept |",
        f"|---|{'---|' * (len(CHUNKS) + 2)}",
    ]
    with torch.inference_mode():
        for name in BACKBONES:
            try:
                lines.append(row(name, arguments))
            except LitCausalMixError as error:
                sys.stderr.write(f"{name} left out: {error}\n")
                continue
            sys.stderr.write(f"{lines[-1]}\n")
    write_lines(lines, arguments.out)


if __name__ == "__main__":
    main()
