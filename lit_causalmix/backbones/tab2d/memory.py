"""What a step of Tab2D takes of memory."""

from __future__ import annotations

from lit_causalmix.backbones.memory import Bytes, Coefficients, StepBytes

MEMORY: Coefficients = {
    "32": StepBytes(
        kept=Bytes(107.5, 28.8),
        recomputed=Bytes(137.0, 15.0),
        passing=Bytes(49.4, 7.2),
        short=1.0,
    ),
    "half": StepBytes(
        kept=Bytes(81.0, 22.0),
        recomputed=Bytes(110.0, 12.0),
        passing=Bytes(36.2, 7.8),
        short=1.0,
    ),
}
"""Least squares over the cells of docs/results/memory.md: widths 64, 128 and 256, 2 to 4 layers."""
