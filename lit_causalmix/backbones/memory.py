"""What one step of a backbone takes of memory, told from shapes before it is taken.

The forms follow what torch keeps for the backward pass: so many bytes per cell and unit of width in
each layer, of all rows and once more of the context rows (keys and values). The coefficients are
measured (`benchmarks/memory.py`) and stand with the backbones.

Shape legend: B = tables in one step, R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from lit_causalmix.episode import Episode

Precision = Literal["32", "half"]
"""Float32 throughout, or linear maps in half precision under autocast ("bf16-mixed")."""

_INPUT = 4  # bytes per unit of what goes into a layer, which is kept to compute it again

MOST_BYTES = 2**31
"""An encoded context that takes more is not kept: each chunk reads the context again."""


@dataclass(frozen=True)
class StepShape:
    """The sizes that decide what a step takes.

    Attributes:
        context_rows: R of each table.
        query_rows: Q of each table.
        columns: F.
        n_classes: Of the target; 0 for regression.
        training: Whether it has a backward pass; without, nothing has a gradient.
        tables: B.
        apart: Whether the network computes one table after the other, not all in one pass.
        encoded: Whether the context is kept for several chunks of query rows; not in training.
        precision: See `Precision`.
        checkpointing: Whether a backward pass computes each layer again.
        name: What such an episode is called to the user.
    """

    context_rows: int
    query_rows: int
    columns: int
    n_classes: int = 0
    training: bool = True
    tables: int = 1
    apart: bool = False
    encoded: bool = False
    precision: Precision = "32"
    checkpointing: bool = False
    name: str = ""

    @property
    def rows(self) -> int:
        return self.context_rows + self.query_rows

    @property
    def cells(self) -> int:
        """Cells of all tables, targets among them."""
        return self.tables * self.rows * (self.columns + 1)

    def words(self, n_words: int) -> StepShape:
        """The shape where so many code words pass the network, one after the other.

        In training the graphs of all are there at once, as if each were a table.
        """
        return replace(self, tables=self.tables * n_words, apart=True) if self.training else self

    def context(self) -> Episode:
        """An episode with a context of this shape and no values, for `Backbone.context_bytes`."""
        x = torch.empty(self.context_rows, self.columns, device="meta")
        y = torch.empty(self.context_rows, device="meta")
        return Episode.of_rows(x, y, self.context_rows, self.n_classes)


@dataclass(frozen=True)
class Bytes:
    """Bytes per cell and unit of width: of every row, and in addition of context rows.

    Attributes:
        row: Of every row.
        key: Of context rows.
    """

    row: float
    key: float

    def of(self, rows: float, context_rows: float) -> float:
        return self.row * rows + self.key * context_rows


@dataclass(frozen=True)
class StepBytes:
    """What a stack of layers of one width holds; measured by `benchmarks/memory.py`.

    Attributes:
        kept: Each layer keeps it for the backward pass.
        recomputed: One layer and its gradients hold it where each is computed again.
        passing: One layer holds it where nothing has a gradient.
        short: Share of `kept.row` in the last layer that is of query rows alone, as nobody reads
            the others.
    """

    kept: Bytes
    recomputed: Bytes
    passing: Bytes
    short: float = 0.0

    def at_most(
        self, shape: StepShape, width: int, n_layers: int, n_columns: int = 1, *, kept: int = 0
    ) -> int:
        """Bytes that a step holds at its peak.

        Args:
            shape: Of the step.
            width: Numbers in a cell.
            n_layers: Layers.
            n_columns: Cells of a row that the network reads.
            kept: Bytes of a context that is encoded for several chunks of query rows.
        """
        unit = shape.tables * width * n_columns
        rows, context, query = shape.rows, shape.context_rows, shape.query_rows
        keeps = not shape.training and shape.encoded and 0 < kept <= MOST_BYTES
        plain = self.passing.of(rows, context)
        passing = self.passing.row * max(context, query) if keeps else plain
        if not shape.training:
            return keeps * kept + round(unit * passing)
        if shape.checkpointing:
            at_once = 1 / shape.tables if shape.apart else 1
            per_unit = at_once * self.recomputed.of(rows, context) + _INPUT * n_layers * rows
        else:
            last = (1 - self.short) * rows + self.short * query
            per_unit = self.kept.of((n_layers - 1) * rows + last, n_layers * context)
        return round(unit * max(per_unit, passing))


Coefficients = Mapping[Precision, StepBytes]
"""Of a backbone, by precision; a precision that is missing has no forecast."""
