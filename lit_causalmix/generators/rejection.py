"""Rows of chosen groups by rejection, with a bounded number of draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError

SMALLEST, LARGEST = 256, 16_384
"""Rows of one batch."""

MAX_DRAWS = 200_000
"""Rows that are drawn at most before giving up, where the caller says nothing else."""


def collect(
    draw: Callable[[int], NDArray[np.float64]],
    groups: Callable[[NDArray[np.float64]], NDArray[np.intp]],
    quotas: Sequence[int],
    max_draws: int,
) -> tuple[list[NDArray[np.float64]], int]:
    """Draws batches until each group has its rows; the first of each group are kept.

    Args:
        draw: Draws so many rows, float64 (n, C + 1).
        groups: The group of each row, intp (n,); -1 for none.
        quotas: Rows wanted of each group.
        max_draws: Rows drawn at most.

    Returns:
        The rows of each group, fewer than wanted where the draws ran out, and the rows drawn.

    Raises:
        ConfigurationError: If a number is out of its range.
    """
    if max_draws < 1 or min(quotas, default=0) < 0:
        raise ConfigurationError(
            f"rows must be at least 0 and max_draws at least 1, got {sum(quotas)} and {max_draws}"
        )
    found = [draw(0)] * len(quotas)
    drawn, batch = 0, sum(quotas)
    while drawn < max_draws and any(len(f) < q for f, q in zip(found, quotas, strict=True)):
        size = min(max(batch, SMALLEST), LARGEST, max_draws - drawn)
        rows = draw(size)
        drawn += size
        group = groups(rows)
        found = [
            np.concatenate([f, rows[group == g][: q - len(f)]])
            for g, (f, q) in enumerate(zip(found, quotas, strict=True))
        ]
        # What is still wanted, at the rate seen so far, of the group that takes longest.
        batch = max(
            (q - len(f)) * drawn // (len(f) + 1) for f, q in zip(found, quotas, strict=True)
        )
    return found, drawn
