"""What an inspection page is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.inspection.what_if import WhatIf
from lit_causalmix.metrics.quality import QualityReport
from lit_causalmix.tables.table import TableSplits


@dataclass(frozen=True, eq=False)
class Structure:
    """What a causal generator learned.

    Attributes:
        edges: Votes for each directed edge.
        dags: bool (K, d, d), the sampled graphs over the nodes of `edges`.
    """

    edges: EdgeProbabilities
    dags: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Inspection:
    """All content of a page.

    Attributes:
        splits: The table; of its test rows only the number is used.
        remarks: What was said while the table was read.
        generator: Class of the generator.
        settings: Its settings.
        structure: What it learned, where it is a causal one.
        synthetic: Coded rows that were compared, float64 (n, C + 1).
        quality: How they compare with the validation rows.
        seed: The run's seed.
        what_if: A row as it would have been, where that was asked.
    """

    splits: TableSplits
    remarks: tuple[str, ...]
    generator: str
    settings: dict[str, Any]
    structure: Structure | None
    synthetic: NDArray[np.float64] = field(repr=False)
    quality: QualityReport
    seed: int
    what_if: WhatIf | None = None
