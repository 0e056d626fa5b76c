"""What a step of the axial transformer takes of memory."""

from __future__ import annotations

from lit_causalmix.backbones.axial.config import AxialConfig
from lit_causalmix.backbones.memory import Bytes, Coefficients, StepBytes, StepShape

USUAL_FACTOR = 4
"""`mlp_factor` of what was measured."""

CELLS: Coefficients = {
    "32": StepBytes(Bytes(77.0, 6.7), Bytes(78.0, 2.4), Bytes(58.7, 0.8)),
    "half": StepBytes(Bytes(52.1, 12.3), Bytes(56.0, 2.4), Bytes(39.7, 1.9)),
}
"""In units of the cells' width."""

ATTENTION: Coefficients = {
    "32": StepBytes(Bytes(15.4, 12.0), Bytes(12.5, 27.4), Bytes(0.2, 8.1)),
    "half": StepBytes(Bytes(24.3, 0.0), Bytes(12.5, 27.4), Bytes(0.3, 1.9)),
}
"""In units of attention's width. Both: least squares over cells of docs/results/memory.md with a
rectifier in the MLP; what GELU keeps beside was set by those of today."""


def step_bytes(config: AxialConfig, shape: StepShape, kept: int) -> int | None:
    """Bytes of a step at its peak; see `Backbone.step_bytes`.

    The last layer is not counted, as it reads cells of the target alone.

    Args:
        config: Sizes of the network.
        shape: Of the step.
        kept: Bytes of an encoded context.
    """
    if config.mlp_factor != USUAL_FACTOR:
        return None
    sizes = (max(config.n_layers - 1, 1), shape.columns + 1)
    cells = CELLS[shape.precision].at_most(shape, config.dim, *sizes, kept=kept)
    return cells + ATTENTION[shape.precision].at_most(shape, config.attention_dim, *sizes)
