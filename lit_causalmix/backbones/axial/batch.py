"""Tables of equal shape in one pass.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lit_causalmix.episode import Episode


@dataclass(frozen=True, eq=False)
class Batch:
    """Tables of equal shape; shorter queries are filled up.

    Attributes:
        positions: Where the tables stand in the sequence that was grouped.
        x_context: float32 (B, R, F), NaN in gaps.
        y_context: (B, R), as in `Episode`.
        x_query: float32 (B, Q, F), NaN in gaps; zero where filled up.
        y_query: (B, Q), as in `Episode`; zero where filled up.
        weight: float32 (B, Q), sums to 1 over the query rows of each table, 0 where filled up.
        categorical: bool (B, F).
        n_classes: int64 (B, 1, 1); 0 for regression.
    """

    positions: list[int]
    x_context: Tensor
    y_context: Tensor
    x_query: Tensor
    y_query: Tensor
    weight: Tensor
    categorical: Tensor
    n_classes: Tensor


def batches(episodes: Sequence[Episode]) -> list[Batch]:
    """Groups tables by their numbers of context rows and columns."""
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for position, episode in enumerate(episodes):
        groups[episode.x_context.shape].append(position)
    return [_batch(positions, [episodes[i] for i in positions]) for positions in groups.values()]


def _batch(positions: list[int], episodes: Sequence[Episode]) -> Batch:
    most = max(episode.n_query for episode in episodes)
    device = episodes[0].x_context.device
    length = torch.tensor([[episode.n_query] for episode in episodes], device=device)
    n_classes = torch.tensor([episode.n_classes for episode in episodes], device=device)

    def filled(rows: Tensor) -> Tensor:
        return pad(rows, (0, 0) * (rows.ndim - 1) + (0, most - len(rows)))

    return Batch(
        positions=positions,
        x_context=torch.stack([e.x_context for e in episodes]).float(),
        y_context=torch.stack([e.y_context for e in episodes]),
        x_query=torch.stack([filled(e.x_query) for e in episodes]).float(),
        y_query=torch.stack([filled(e.y_query) for e in episodes]),
        weight=(torch.arange(most, device=device) < length) / length,
        categorical=torch.stack([e.categorical for e in episodes]),
        n_classes=n_classes[:, None, None],
    )
