"""Admitting synthetic rows in the order of how plausible they look."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.metrics.quality.boosting import BoostedTrees
from lit_causalmix.seeding import derived_seed
from lit_causalmix.tables import Table
from lit_causalmix.training.schedules import EpisodeSchedule


def most_confident(
    confidence: NDArray[np.float64], labels: NDArray[np.int64] | None, n: int
) -> NDArray[np.intp]:
    """Picks the most confident rows with nearly the class shares of all rows.

    Args:
        confidence: One number per row, (m,); the higher the better.
        labels: Class indices int64 (m,), or None for regression.
        n: Rows to pick, at most m.

    Returns:
        Ascending indices (n,). The best row of every class is among them as long as n is at least
        the number of classes.
    """
    groups = np.zeros(len(confidence), np.int64) if labels is None else labels
    best_first = np.lexsort((-confidence, groups))
    counts = np.bincount(groups)
    rank = np.empty(len(groups), np.int64)
    rank[best_first] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + 0.5) / counts[groups]
    place[rank == 0] -= 1.0
    return np.sort(np.argsort(place, kind="stable")[:n])


class ConfidentRows:
    """Draws of which only the most plausible share is admitted, more and more of them.

    The confidence of a row is the probability, by boosted trees that tell real training rows from
    synthetic ones, that it is real. The trees learn from synthetic rows of a draw of their own, so
    every row that they judge is new to them. For n rows at a share q, n / q rows are drawn (of a
    pool no more than it has) and the n most confident kept, class by class, so that the share of
    each class stays as drawn; at q = 1 nothing is left out [our choice, all of it].

    Args:
        rows: The synthetic rows to choose from.
        train: The training split.
        examples: Other synthetic rows, float64 (m, C + 1), for the trees to learn from.
        share: The share q, in (0, 1], at an episode.
        seed: The run's seed.
    """

    def __init__(
        self,
        rows: SyntheticRows,
        train: Table,
        examples: NDArray[np.float64],
        *,
        share: EpisodeSchedule,
        seed: int,
    ) -> None:
        self.rows = rows
        self.share = share
        X = np.concatenate([train.values, examples])
        self._judge = BoostedTrees(
            train.schema.columns, classify=True, seed=derived_seed(seed, "confidence")
        )
        with threadpool_limits(1):
            self._judge.fit(X, np.repeat([1, 0], [len(train), len(examples)]))

    def confidence(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability that each of the coded rows (n, C + 1) is real, float64 (n,)."""
        # One thread: a worker process must not enter a parallel region that its parent has used.
        with threadpool_limits(1):
            return self._judge.probabilities(rows)[:, 1]

    def draw(self, n: int, epoch: int, index: int) -> NDArray[np.float64]:
        """Draws the coded rows of an episode, float64 (n, C + 1)."""
        share = self.share(epoch, index)
        wanted = math.ceil(n / share)
        if self.rows.pool_size is not None:
            wanted = min(wanted, max(n, self.rows.pool_size))
        drawn = self.rows.draw(wanted, epoch, index)
        if len(drawn) == n:
            return drawn
        labels = drawn[:, -1].astype(np.int64) if self.rows.n_classes else None
        return drawn[most_confident(self.confidence(drawn), labels, n)]
