"""What a step of TabICL v2 takes of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_causalmix.backbones.memory import Precision, StepShape


@dataclass(frozen=True)
class Measured:
    """What a step holds beside weights, gradients and the optimiser's states.

    Attributes:
        cell: Bytes per cell and unit of the embedding's width, over all layers; summaries of a row
            count as cells.
        copies: Of the weights, for each table of a step: gradients before they are added.
    """

    cell: float
    copies: float


TRAINING: Mapping[Precision, Measured] = {
    "32": Measured(521, 0.99),
    "half": Measured(274, 0.65),
}
PASSING: Mapping[Precision, Measured] = {"32": Measured(45, 0.05), "half": Measured(28, 0.02)}
"""From the cells of docs/results/memory.md, at the package's sizes; the package's network has no
activation checkpointing."""


def step_bytes(config: Mapping[str, Any], shape: StepShape, weights: int) -> int:
    """Bytes of a step at its peak; see `Backbone.step_bytes`.

    Args:
        config: The package's settings of the network.
        shape: Of the step. Tables pass the network one after the other; in training what each keeps
            is there at once.
        weights: Bytes of the network's parameters.
    """
    measured = (TRAINING if shape.training else PASSING)[shape.precision]
    tables = shape.tables if shape.training else 1
    units = shape.rows * (shape.columns + int(config["row_num_cls"])) * int(config["embed_dim"])
    return round(tables * (measured.cell * units + measured.copies * weights))
