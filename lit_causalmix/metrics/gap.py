"""The gap between validation and test scores of one run, in two definitions [our choice].

CausalMixFT (arXiv 2601.04110) reports a "validation–test correlation gap"; its exact formula is not
known to us, so both readings are computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lit_causalmix.metrics.functional import Score

FEWEST_CHECKPOINTS = 3
"""A rank correlation of two points is always 1 or -1."""


def rank_gap(validation: Sequence[float], test: Sequence[float]) -> Score:
    """1 − Spearman correlation of validation and test scores over the checkpoints of a run.

    0: validation orders the checkpoints as the test rows would; 1: it tells nothing; 2: it orders
    them backwards. Checkpoints without both scores are left out.

    Args:
        validation: Normalised validation score of each checkpoint.
        test: Normalised test score of each checkpoint, of equal length.

    Returns:
        0 to 2; undefined with fewer than 3 checkpoints or where a series is constant.

    Example:
        >>> rank_gap([0.0, 0.1, 0.3], [0.0, 0.2, 0.4]).value
        0.0
        >>> rank_gap([0.0, 0.1, 0.3], [0.4, 0.2, 0.0]).value
        2.0
    """
    from scipy.stats import spearmanr

    pairs = np.array([validation, test], dtype=np.float64)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    n = pairs.shape[1]
    if n < FEWEST_CHECKPOINTS:
        return Score(
            math.nan, f"a rank correlation needs {FEWEST_CHECKPOINTS} checkpoints, there are {n}"
        )
    for name, series in zip(("validation", "test"), pairs, strict=True):
        if np.ptp(series) == 0:
            return Score(math.nan, f"the {name} score is the same at every checkpoint")
    return Score(1.0 - float(spearmanr(*pairs).statistic))


def selection_gap(validation: Score, test: Score) -> Score:
    """|validation − test| normalised score at the selected checkpoint, in percentage points.

    Example:
        >>> selection_gap(Score(1.5), Score(-0.5)).value
        2.0
    """
    if not validation.defined or not test.defined:
        return Score(math.nan, validation.note or test.note)
    return Score(abs(validation.value - test.value))
