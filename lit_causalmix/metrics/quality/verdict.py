"""When a generator is plainly broken; every threshold is [our choice], far from any useful rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Schema

TOLD_APART = 0.99
"""Two-sample ROC-AUC from which a model tells practically every row; alone no fault, since one
column with a tell-tale detail suffices."""

POOR_SHAPES = 0.5
"""Mean column shape below which columns do not even taken alone look like the real ones."""

COLLAPSED = 0.03
"""Coverage below which rows stand at a few points, or far from all real ones. Over 27 real
tables of 300 training rows, other real rows reached 0.37 to 0.71, one training row, repeated, at
most 0.03."""

EXPECTED_ROWS = 10
"""A class is lost if so many of the rows should be of it and none is: chance does that less than
once in 20,000 draws."""


def lost_classes(
    schema: Schema, train: NDArray[np.float64], synthetic: NDArray[np.float64]
) -> tuple[str, ...]:
    """Classes of the training rows, frequent enough to be expected, that no synthetic row has.

    Args:
        schema: Columns of the rows.
        train: Coded rows, float64 (n, C + 1).
        synthetic: Coded rows, float64 (k, C + 1), without missing targets.
    """
    if not schema.task.is_classification:
        return ()
    real, made = (
        np.bincount(rows[:, -1].astype(np.int64), minlength=schema.n_classes)
        for rows in (train, synthetic)
    )
    expected = real / len(train) * len(synthetic)
    return tuple(
        schema.target.categories[k]
        for k in np.flatnonzero((made == 0) & (expected >= EXPECTED_ROWS))
    )


def faults(numbers: Mapping[str, float], lost: tuple[str, ...] = ()) -> list[str]:
    """Says in words what is plainly broken, from the numbers that there are; empty for nothing.

    Args:
        numbers: Of `quality_numbers`.
        lost: Of `lost_classes`.
    """
    found = []
    auc, shapes = numbers.get("two_sample_auc", 0.0), numbers.get("column_shapes", 1.0)
    if auc >= TOLD_APART and shapes < POOR_SHAPES:
        found.append(
            f"its rows do not look real (two-sample ROC-AUC {auc:.3f}, column shapes {shapes:.2f})"
        )
    if lost:
        found.append(f"it makes no row of class {', '.join(map(repr, lost))}")
    if numbers.get("coverage", 1.0) < COLLAPSED:
        found.append(
            f"its rows cover {numbers['coverage']:.1%} of the training rows, where rows of the "
            "true distribution cover about half: it collapsed to few rows, or is far from all"
        )
    return found
