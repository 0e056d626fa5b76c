"""Tables of equal shape in one pass.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import EpisodeStack, StackedRows, class_counts, query_lengths


@dataclass(frozen=True, eq=False)
class Batch:
    """Tables of equal shape.

    Attributes:
        positions: Where the tables stand in the sequence that was grouped.
        rows: Their rows.
        weight: float32 (B, Q), sums to 1 over the query rows of each table, 0 where filled up.
        n_classes: int64 (B, 1, 1); 0 for regression.
    """

    positions: Sequence[int]
    rows: StackedRows
    weight: Tensor
    n_classes: Tensor

    @classmethod
    def of(cls, positions: Sequence[int], episodes: Sequence[Episode]) -> Batch:
        rows = StackedRows.of(episodes)
        device = rows.y_query.device
        facts = torch.tensor([list(query_lengths(episodes)), list(class_counts(episodes))])
        length, n_classes = facts.to(device, non_blocking=True)[:, :, None]
        filled = torch.arange(rows.y_query.shape[1], device=device) < length
        return cls(positions, rows, filled / length, n_classes[:, None])


def batches(episodes: Sequence[Episode]) -> list[Batch]:
    """Groups tables by their numbers of context rows and columns."""
    if isinstance(episodes, EpisodeStack):
        return [Batch.of(range(len(episodes)), episodes)]
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for position, episode in enumerate(episodes):
        groups[episode.x_context.shape].append(position)
    return [Batch.of(positions, [episodes[i] for i in positions]) for positions in groups.values()]
