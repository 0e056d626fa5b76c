"""What a step of TabPFN v1 takes of memory."""

from __future__ import annotations

from lit_causalmix.backbones.memory import Bytes, Coefficients, StepBytes

MEMORY: Coefficients = {
    "32": StepBytes(Bytes(42.5, 5.7), Bytes(34.3, 0.0), Bytes(30.0, 4.4)),
    "half": StepBytes(Bytes(16.4, 6.0), Bytes(28.0, 0.0), Bytes(14.9, 2.0)),
}
"""Per row and unit of width; least squares over the cells of docs/results/memory.md."""
