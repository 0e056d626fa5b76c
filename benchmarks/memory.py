"""Peak memory of steps, measured beside the forecast (`Backbone.step_bytes`).

    python benchmarks/memory.py [--backbones Nano TabPFNV1] [--quick] [--out FILE]

Each cell has a process of its own, which computes a step of toy size first, so that libraries are
loaded and warm: two training steps with AdamW in the order of Lightning (forward, gradients set to
none, backward, step), or two predictions. On a CPU the peak is that of the resident set above what
was there before the backbone was made (`VmHWM` of Linux), with freed tensors given back to the
system (`devices.return_freed_memory`, which a fit does where memory is short); *heap* says by which
factor the C library's own way takes more. On a GPU it is `torch.cuda.max_memory_allocated`.

The forecast counts weights, gradients, AdamW's two averages, and what the backbone says of the
step. The page has the largest and the median difference between forecast and peak, and what they
were in each cell stands in the file beside it (.jsonl, peaks and forecasts in MiB).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW

from lit_causalmix.backbones import (
    AxialTransformer,
    Backbone,
    Mitra,
    Nano,
    Tab2D,
    TabICL,
    TabPFN,
    TabPFNV1,
)
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.devices import return_freed_memory
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.training.memory import COPIES, Forecast, held_bytes, state_shares

Cell = dict[str, Any]
MIB = 2**20
TRAIN = {"training": True, "checkpointing": False, "precision": "32", "encoded": False}
MODES: dict[str, Cell] = {
    "training": TRAIN,
    "training, checkpointing": TRAIN | {"checkpointing": True},
    "training, bf16": TRAIN | {"precision": "half"},
    "training, checkpointing, bf16": TRAIN | {"precision": "half", "checkpointing": True},
    "prediction": TRAIN | {"training": False},
    "prediction, context kept": TRAIN | {"training": False, "encoded": True},
    "prediction, bf16": TRAIN | {"training": False, "precision": "half"},
}
SIZES = ((200, 50, 10, 1), (800, 200, 10, 1), (200, 200, 40, 1), (100, 25, 8, 4))
SMALL = ((60, 15, 8, 1), (150, 40, 4, 1))
PREDICTED = ((400, 100, 20, 0),)
"""Context rows, query rows, columns, tables in a training step; 0 where only predictions are."""

BACKBONES: dict[str, tuple[Callable[[], Backbone], int, Sequence[tuple[int, ...]]]] = {
    "Nano, classification": (Nano, 3, SIZES),
    "Nano, regression": (Nano, 0, SIZES[:2]),
    "Tab2D 64 × 3": (lambda: Tab2D(dim=64, n_layers=3), 3, SIZES),
    "Tab2D 128 × 4": (lambda: Tab2D(dim=128, n_layers=4), 3, SIZES[:3]),
    "Tab2D 256 × 2, 100 bins": (
        lambda: Tab2D(dim=256, n_layers=2, n_outputs=100, task="regression"),
        0,
        SIZES[:2],
    ),
    "Mitra 512 × 12": (lambda: Mitra(None), 3, SMALL),
    "AxialTransformer 64 × 4": (AxialTransformer, 3, SIZES),
    "AxialTransformer 128 (64) × 3": (
        lambda: AxialTransformer(dim=128, attention_dim=64, n_layers=3),
        3,
        SIZES[:2],
    ),
    "TabPFNV1": (lambda: TabPFNV1(None), 3, SIZES[:3]),
    "TabPFN v2, regression": (lambda: TabPFN(None), 0, SMALL + PREDICTED),
    "TabPFN v2, classification": (lambda: TabPFN(None, "classification"), 3, SMALL + PREDICTED),
    "TabICL v2, classification": (lambda: TabICL(None), 3, SMALL + PREDICTED),
    "TabICL v2, regression": (lambda: TabICL(None, "regression"), 0, SMALL[:1]),
}
HEAP_MODES = ("training", "prediction")


def episode(rows: int, n_query: int, columns: int, n_classes: int) -> Episode:
    """A table of standard normal columns."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(rows + n_query, columns, generator=g)
    y = torch.arange(rows + n_query) % n_classes if n_classes else x[:, 0].clone()
    return Episode.of_rows(x, y, rows, n_classes)


def shape_of(cell: Cell) -> StepShape:
    """The shape of a cell's steps."""
    names = ("context_rows", "query_rows", "columns", "n_classes", "tables", *TRAIN)
    return StepShape(**{name: cell[name] for name in names})


def made(cell: Cell) -> Backbone:
    """The backbone of a cell, as a fit has it."""
    backbone = BACKBONES[cell["backbone"]][0]()
    for module in backbone.modules():
        if hasattr(module, "activation_checkpointing"):
            module.activation_checkpointing = cell["checkpointing"]
    if isinstance(backbone, Nano):  # as `specialise` does
        unused = backbone.classifier if not cell["n_classes"] else backbone.regressor
        unused.requires_grad_(False)
    return backbone.to(cell["device"])


def take_steps(backbone: Backbone, episodes: list[Episode], cell: Cell) -> None:
    """Two steps of what the cell measures."""
    backbone.train(cell["training"])
    half = {"dtype": torch.bfloat16, "enabled": cell["precision"] == "half"}
    if cell["training"]:
        optimizer = AdamW([p for p in backbone.parameters() if p.requires_grad], lr=1e-5)
        for _ in range(2):
            with torch.autocast(cell["device"], **half):
                loss = backbone.losses(episodes).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return
    with torch.no_grad(), torch.autocast(cell["device"], **half):
        encoded = backbone.encode_context(episodes[0]) if cell["encoded"] else None
        for _ in range(2):
            if encoded is None:
                backbone.predict(backbone(episodes[0]), episodes[0])
            else:
                backbone.predict_with(encoded, episodes[0])


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 2**10


def _settled() -> int:
    """The resident set, in bytes, with freed memory given back; the peak begins anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak(cell: Cell) -> Cell:
    """The cell with its peak and forecast, in MiB; to be called in a process of its own."""
    if not cell["heap"]:
        return_freed_memory()
    warm = {"context_rows": 24, "query_rows": 8, "columns": 3, "tables": 1}
    for now in (cell | warm, cell):
        before = _settled()
        backbone = made(now)
        _settled()  # what making it takes comes before any forecast
        if cell["device"] == "cuda":
            torch.cuda.reset_peak_memory_stats()
        drawn = episode(*(now[n] for n in ("context_rows", "query_rows", "columns", "n_classes")))
        take_steps(backbone, [drawn.to(cell["device"])] * now["tables"], now)
        found = _status("VmHWM") - before
        weights = sum(p.numel() * p.element_size() for p in backbone.parameters())
        if now is not cell:
            del backbone
    if cell["device"] == "cuda":
        found = torch.cuda.max_memory_allocated()
    states = state_shares(backbone, AdamW) if cell["training"] else None
    held = held_bytes(backbone, torch.device("cpu"), states) - (COPIES - 1) * weights
    forecast = Forecast(backbone, held).bytes(shape_of(cell))
    told = None if forecast is None else round(forecast / MIB, 1)
    return cell | {"peak": round(found / MIB, 1), "forecast": told}


def in_its_own_process(cell: Cell) -> Cell:
    """`peak` in a copy of this process, which has loaded the libraries and computed nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            told = json.dumps(peak(cell))
        except (LitCausalMixError, NotImplementedError) as error:
            told = json.dumps(cell | {"peak": None, "note": str(error)})
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        content = stream.read()
    os.waitpid(child, 0)
    return json.loads(content) if content else cell | {"peak": None, "note": "it died"}  # type: ignore[no-any-return]


def cells(names: Sequence[str], device: str, *, quick: bool) -> list[Cell]:
    """What is measured: all modes at all sizes, those of `quick` at the first one."""
    found = []
    for name in names:
        _, n_classes, sizes = BACKBONES[name]
        for place, (rows, n_query, columns, tables) in enumerate(sizes[: 1 if quick else None]):
            size = {"context_rows": rows, "query_rows": n_query, "columns": columns}
            for mode, settings in MODES.items():
                wanted = tables > 0 if settings["training"] else tables < 2
                if not wanted or (quick and mode not in HEAP_MODES):
                    continue
                cell = {"backbone": name, "n_classes": n_classes, "mode": mode}
                cell["tables"] = max(tables, 1)
                cell |= size | settings | {"device": device, "heap": False}
                found.append(cell)
                if place == 1 and mode in HEAP_MODES and device == "cpu":
                    found.append(cell | {"heap": True})
    return found


def report(rows: Sequence[Cell], command: str) -> str:
    """The page."""
    facts = f"Python {platform.python_version()}, torch {torch.__version__}"
    lines = ["# Forecasts of memory", "", f"`{command}`", "", f"{facts}.", ""]
    lines += (__doc__ or "").split("\n\n", 2)[-1].strip().splitlines()
    lines += [
        "",
        "| backbone | cells | peaks, MiB | median | largest | heap, training | prediction |",
    ]
    lines += ["|---" * 7 + "|"]
    known = [r for r in rows if r["peak"] is not None]
    for name in dict.fromkeys(r["backbone"] for r in known):
        own = [r for r in known if r["backbone"] == name]
        plain = [r for r in own if not r["heap"]]
        told = [r["forecast"] / r["peak"] - 1 for r in plain if r["forecast"] is not None]
        peaks = [r["peak"] for r in plain]
        words = [f"{len(told)} of {len(plain)}", f"{min(peaks):.0f} to {max(peaks):.0f}"]
        if told:
            words += [f"{statistics.median(map(abs, told)):.1%}", f"{max(told, key=abs):+.1%}"]
        else:
            words += ["no forecast", ""]
        words += [_heap(own, mode) for mode in HEAP_MODES]
        lines.append(f"| {name} | {' | '.join(words)} |")
    lines += ["", *_by_mode(known)]
    return "\n".join(lines) + "\n"


def _heap(rows: Sequence[Cell], mode: str) -> str:
    """By which factor the heap takes more, where that was measured."""
    by_heap = [
        {_key(r): r["peak"] for r in rows if r["mode"] == mode and r["heap"] is heap}
        for heap in (False, True)
    ]
    return ", ".join(f"{by_heap[1][k] / by_heap[0][k]:.1f}" for k in by_heap[1] if k in by_heap[0])


def _key(cell: Cell) -> tuple[int, ...]:
    return tuple(cell[n] for n in ("context_rows", "query_rows", "columns", "tables"))


def _by_mode(rows: Sequence[Cell]) -> list[str]:
    lines = ["| mode | cells | median | largest |", "|---|---|---|---|"]
    for mode in MODES:
        told = [
            r["forecast"] / r["peak"] - 1
            for r in rows
            if r["mode"] == mode and not r["heap"] and r["forecast"] is not None
        ]
        if told:
            middle, most = statistics.median(map(abs, told)), max(told, key=abs)
            lines.append(f"| {mode} | {len(told)} | {middle:.1%} | {most:+.1%} |")
    return lines


def main() -> None:
    """Runs what the command line asks for; cells that the file holds are not run again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="the first size, two modes")
    parser.add_argument("--out", type=Path, default=Path("docs/results/memory"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # a copy of a process has none of its threads
    warnings.simplefilter("ignore")
    store = options.out.with_suffix(".jsonl")
    store.parent.mkdir(parents=True, exist_ok=True)
    lines = store.read_text().splitlines() if store.exists() else []
    rows: list[Cell] = [json.loads(line) for line in lines]
    for cell in cells(options.backbones, options.device, quick=options.quick):
        if any(row | cell == row for row in rows):
            continue
        rows.append(in_its_own_process(cell))
        with store.open("a") as stream:
            stream.write(json.dumps(rows[-1]) + "\n")
        print(cell["backbone"], _key(cell), cell["mode"], rows[-1], file=sys.stderr)
    text = report(rows, "python benchmarks/memory.py " + " ".join(sys.argv[1:]))
    options.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
