"""Episodes that memory has room for: which rows of one are left out, and how that is kept.

Shape legend: R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from lit_causalmix.episode import Episode

KEY = "room"
"""Of a checkpoint, where there is less room than episodes ask for."""

LEAST_CONTEXT = 2
"""Context rows that a number is standardised by; with classes, one row of each stays."""


@dataclass(frozen=True)
class Room:
    """What a fit cuts its episodes to; None cuts nothing. It goes into checkpoints.

    Attributes:
        cells: Most rows times (columns + 1) of a training episode.
        query_rows: Most query rows that are evaluated at once. They do not see each other, so
            predictions change by rounding alone.
        context_rows: Most context rows of validation, test and prediction.
    """

    cells: int | None = None
    query_rows: int | None = None
    context_rows: int | None = None

    @classmethod
    def of_checkpoint(cls, checkpoint: dict[str, Any]) -> Self:
        return cls(**checkpoint.get(KEY, {}))

    def into_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves a checkpoint as it is where nothing is cut."""
        if self != type(self)():
            checkpoint[KEY] = asdict(self)

    def training(self, episode: Episode) -> Episode:
        """A training episode as there is room for it; the very same object where nothing is cut."""
        if self.cells is None:
            return episode
        sizes = rows_within(self.cells, *sizes_of(episode), n_classes=episode.n_classes)
        return with_rows(episode, *sizes)

    def chunks(self, episode: Episode) -> Iterator[Episode]:
        """An evaluation episode in pieces that there is room for, in the order of its rows."""
        most = self.query_rows
        if most is None or episode.n_query <= most:
            yield episode
            return
        rows = torch.arange(episode.n_query, device=episode.x_query.device)
        for start in range(0, episode.n_query, most):
            yield episode.take_query(rows[start : start + most])


def sizes_of(episode: Episode) -> tuple[int, int, int]:
    """R, Q and F of an episode."""
    return len(episode.x_context), episode.n_query, episode.x_query.shape[1]


def cells_of(episode: Episode) -> int:
    """Rows times (columns + 1)."""
    n_context, n_query, n_columns = sizes_of(episode)
    return (n_context + n_query) * (n_columns + 1)


def halved(n_context: int, n_query: int, n_classes: int) -> tuple[int, int] | None:
    """Halves the larger part of an episode, the context where both are equal.

    Args:
        n_context: R.
        n_query: Q.
        n_classes: As many context rows stay, or `LEAST_CONTEXT` for regression.

    Returns:
        The sizes that are left; None where there is nothing to halve.

    Example:
        >>> halved(80, 20, 2), halved(20, 80, 2), halved(2, 1, 2)
        ((40, 20), (20, 40), None)
    """
    fewer = -(-n_context // 2)
    can = fewer < n_context and fewer >= (n_classes or LEAST_CONTEXT)
    if can and (n_context >= n_query or n_query == 1):
        return fewer, n_query
    return (n_context, -(-n_query // 2)) if n_query > 1 else None


def rows_within(
    cells: int, n_context: int, n_query: int, n_columns: int, *, n_classes: int
) -> tuple[int, int]:
    """Sizes of an episode, halved until it has at most so many cells or cannot be halved.

    Example:
        >>> rows_within(500, 80, 20, 9, n_classes=2)
        (20, 20)
    """
    sizes = n_context, n_query
    while sum(sizes) * (n_columns + 1) > cells and (less := halved(*sizes, n_classes)):
        sizes = less
    return sizes


def with_rows(episode: Episode, n_context: int, n_query: int) -> Episode:
    """The first rows of an episode's context and query, whose order is random.

    Of each class the first context row stays, as far as there is room. A query row whose class no
    context row shows is left out, as from every training episode, while others are there.
    """
    if n_query < episode.n_query:
        episode = episode.take_query(torch.arange(n_query, device=episode.x_query.device))
    if n_context >= len(episode.x_context):
        return episode
    rows = _first_rows(episode, n_context)
    episode = replace(
        episode,
        x_context=episode.x_context[rows],
        y_context=episode.y_context[rows],
        context_origin=episode.context_origin[rows],
    )
    if not episode.is_classification:
        return episode
    shown = torch.isin(episode.y_query, episode.y_context)
    return episode.take_query(shown) if shown.any() and not shown.all() else episode


def _first_rows(episode: Episode, n_rows: int) -> Tensor:
    """Positions of the context rows that stay, int64, ascending."""
    later = torch.ones(len(episode.x_context), dtype=torch.int64)
    if episode.is_classification:
        classes = episode.y_context.cpu()
        for label in set(classes.tolist()):
            later[(classes == label).nonzero()[0]] = 0
    order = torch.argsort(later, stable=True)
    return order[:n_rows].sort().values.to(episode.x_context.device)
