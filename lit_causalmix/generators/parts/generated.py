"""A table's synthetic rows beside the real rows that they may be judged by."""

from __future__ import annotations

from dataclasses import dataclass

from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class GeneratedTable:
    """The synthetic rows of one table, and the real rows that a measure of them may see.

    Attributes:
        synthetic: Rows of a generator that was fitted on the training split.
        train: The training split.
        held_out: Validation rows of the same table, which the generator did not see; never test
            rows.
    """

    synthetic: SyntheticRows
    train: Table
    held_out: Table
