"""Scores of methods that have zero-shot scores of their own, in percent of one of them."""

from __future__ import annotations

import pandas as pd

from lit_causalmix.metrics import metric_named

_CELL = ["table", "backbone", "seed"]
_ROUNDING = 1e-6
"""Share by which zero-shot scores of the same weights differ where float32 sums are ordered
differently, as with adapters: taken for another score, it would break ties at zero-shot."""


def aligned(cells: pd.DataFrame, metric: str, score: str, reference: str) -> pd.DataFrame:
    """The cells with a normalised test score in percent of one zero-shot for all methods.

    Folds predict by several members, zero-shot too, so that a method that fits them has a
    zero-shot score of its own. Percents of different scores are not to be subtracted or ranked:
    they are taken of the reference's, on the same table and backbone with the same seed. Cells
    without a partner of the reference are left as they are.

    Args:
        cells: One row per run, see `results.as_frame`.
        metric: Name of the metric.
        score: Column of its normalised score, which is replaced.
        reference: The method whose zero-shot is taken.
    """
    raw, zero = (f"test/real/{metric}{end}" for end in ("", "_zero_shot"))
    if zero not in cells:
        return cells
    own = cells[cells["method"] == reference].groupby(_CELL)[zero].first()
    keys = pd.MultiIndex.from_frame(cells[_CELL])
    common = pd.Series(own.reindex(keys).to_numpy(), index=cells.index)
    differs = (common - cells[zero]).abs() > _ROUNDING * common.abs()
    other = differs.groupby(keys).transform("any")
    if not other.any():  # nor need the metric be known in this process
        return cells
    divisor = common.abs().where(common != 0)  # nothing can be divided by 0: undefined
    gain = metric_named(metric).sign * (cells[raw] - common) / divisor * 100
    return cells.assign(**{score: cells[score].mask(other, gain)})
