"""What a step of TabPFN v2 takes of memory; later architectures were not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_causalmix.backbones.memory import Bytes, Coefficients, StepBytes, StepShape

MEMORY: Coefficients = {
    "32": StepBytes(Bytes(110.0, 0.0), Bytes(100.0, 0.0), Bytes(33.0, 0.0)),
    "half": StepBytes(Bytes(62.0, 0.0), Bytes(20.0, 0.0), Bytes(15.0, 0.0)),
}
"""In units of the width; from the cells of docs/results/memory.md, whose shares of context rows
hardly differ, so that these are not told apart."""

_OUTPUT = 40  # bytes per query row and output: ten copies of the logits
_PREPROCESSING = 8 * 2**20
_COLUMNS_A_TOKEN = 2
_ROWS_A_COMPONENT = 10


def tokens(n_context: int, n_columns: int) -> int:
    """Cells of a row behind the package's preprocessing of numerical columns, the target's too.

    Each column stands there as it is and transformed; a fingerprint and principal components are
    added. Two columns share a cell.

    Example:
        >>> tokens(60, 8), tokens(300, 30)
        (13, 47)
    """
    components = min(n_columns, n_context // _ROWS_A_COMPONENT + 1)
    return -(-(2 * n_columns + 1 + components) // _COLUMNS_A_TOKEN) + 1


def step_bytes(config: Mapping[str, Any], shape: StepShape) -> int:
    """Bytes of a step at its peak; see `Backbone.step_bytes`.

    Args:
        config: The package's settings of the network.
        shape: Of the step.
    """
    width, n_layers, n_columns = (
        int(config["emsize"]),
        int(config["nlayers"]),
        tokens(shape.context_rows, shape.columns),
    )
    outputs = int(config["max_num_classes"] if shape.n_classes else config["num_buckets"])
    # Query rows attend to one head of the context's keys and values.
    kept = 8 * n_layers * width // int(config["nhead"]) * shape.context_rows * n_columns
    network = MEMORY[shape.precision].at_most(shape, width, n_layers, n_columns, kept=kept)
    return network + _PREPROCESSING + shape.tables * _OUTPUT * shape.query_rows * outputs
