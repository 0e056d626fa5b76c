"""Peak memory of steps, measured beside the forecast (`Backbone.step_bytes`).

    python benchmarks/memory.py [--backbones Nano TabPFNV1] [--quick] [--out FILE]

Each cell has a process of its own, which computes a step of toy size first, so that libraries are
loaded and warm: two training steps with AdamW in the order of Lightning (forward, gradients set to
none, backward, step), or two predictions. On a CPU the peak is that of the resident set above what
was there before the backbone was made (`VmHWM` of Linux), with freed tensors given back to the
system (`devices.return_freed_memory`, which a fit does where memory is short); *heap* says by which
factor the C library's own way takes more. On a GPU it is `torch.cuda.max_memory_allocated`.

The forecast counts weights, gradients, AdamW's two averages, and what the backbone says of the
step. The page has the largest and the median difference between forecast and peak; what the
peaks were in each cell stands in the file beside it (.jsonl, in MiB).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from memory_report import HEAP_MODES, Cell, key, report
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
LARGER = ((300, 80, 12, 1), (200, 50, 30, 1))
PREDICTED = ((400, 100, 20, 0),)
"""Context rows, query rows, columns, tables in a training step; 0 where only predictions are."""

BACKBONES: dict[str, tuple[Callable[[], Backbone], int, Sequence[tuple[int, ...]]]] = {
    "Nano, classification": (lambda: Nano(1), 2, SIZES),  # version 2 is two AxialTransformer
    "Nano, regression": (lambda: Nano(1), 0, SIZES[:1]),
    "Tab2D 64 × 3": (lambda: Tab2D(dim=64, n_layers=3), 2, SIZES),
    "Tab2D 128 × 4": (lambda: Tab2D(dim=128, n_layers=4), 2, SIZES[:3]),
    "Mitra 512 × 12": (lambda: Mitra(None), 2, SMALL[:1]),
    "AxialTransformer 64 × 4": (AxialTransformer, 2, SIZES),
    "AxialTransformer 128 (64) × 3": (
        lambda: AxialTransformer(dim=128, attention_dim=64, n_layers=3),
        2,
        SIZES[:3],
    ),
    "TabPFNV1": (lambda: TabPFNV1(None), 2, SIZES[:2]),
    "TabPFN v2, regression": (lambda: TabPFN(None), 0, SMALL + PREDICTED),
    "TabPFN v2, classification": (lambda: TabPFN(None, "classification"), 3, SMALL),
    "TabICL v2, classification": (lambda: TabICL(None), 3, SMALL + LARGER),
    "TabICL v2, regression": (lambda: TabICL(None, "regression"), 0, LARGER[:1]),
}
PLAIN_MODES = (*HEAP_MODES, "training, checkpointing")
"""Modes of all sizes; the others are measured at the first two."""


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
    """The cell with its peak, in MiB; to be called in a process of its own."""
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
        del backbone
    if cell["device"] == "cuda":
        found = torch.cuda.max_memory_allocated()
    return cell | {"peak": round(found / MIB, 1)}


def foreseen(rows: Sequence[Cell]) -> list[Cell]:
    """The cells with the forecast of the present coefficients, in MiB; None where there is none."""
    backbones: dict[tuple[str, bool], Backbone] = {}
    found = []
    for cell in rows:
        key = (cell["backbone"], cell["checkpointing"])
        if key not in backbones:
            backbones[key] = made(cell)
        states = state_shares(backbones[key], AdamW) if cell["training"] else None
        weights = sum(p.numel() * p.element_size() for p in backbones[key].parameters())
        # A task's copies of the weights are not there, but the weights are.
        held = held_bytes(backbones[key], torch.device("cpu"), states) - (COPIES - 1) * weights
        told = Forecast(backbones[key], held).bytes(shape_of(cell))
        found.append(cell | {"forecast": None if told is None else round(told / MIB, 1)})
    return found


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
                wanted &= place < 2 or mode in PLAIN_MODES
                if not wanted or (quick and mode not in HEAP_MODES):
                    continue
                cell = {"backbone": name, "n_classes": n_classes, "mode": mode}
                cell["tables"] = max(tables, 1)
                cell |= size | settings | {"device": device, "heap": False}
                found.append(cell)
                if place == 1 and mode in HEAP_MODES and device == "cpu":
                    found.append(cell | {"heap": True})
    return found


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
        print(cell["backbone"], key(cell), cell["mode"], rows[-1], file=sys.stderr)
    text = report(
        foreseen(rows), "python benchmarks/memory.py " + " ".join(sys.argv[1:]), __doc__ or ""
    )
    options.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
