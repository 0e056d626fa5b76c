"""Training losses of many tables in few passes: tables of equal shape share one.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lit_causalmix.backbones.tab2d_preprocessing import impute_and_drop_constant
from lit_causalmix.episode import Episode


@dataclass(frozen=True, eq=False)
class Stack:
    """Tables of equal shape.

    Attributes:
        positions: Where the tables stand in the sequence that was stacked.
        x_context: float32 (B, R, F), without gaps or constant columns.
        y_context: (B, R), as in `Episode`.
        x_query: float32 (B, Q, F); shorter queries are filled up with zeros.
        y_query: (B, Q), as in `Episode`; zero where filled up.
        weight: float32 (B, Q), sums to 1 over the query rows of each table, 0 where filled up.
        n_classes: int64 (B,), classes of each table; 0 for regression.
    """

    positions: list[int]
    x_context: Tensor
    y_context: Tensor
    x_query: Tensor
    y_query: Tensor
    weight: Tensor
    n_classes: Tensor


def stacks(episodes: Sequence[Episode]) -> list[Stack]:
    """Groups tables by context rows and varying columns, in order of first appearance."""
    clean = [impute_and_drop_constant(e.x_context, e.x_query) for e in episodes]
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for position, (x_context, _) in enumerate(clean):
        groups[x_context.shape].append(position)
    return [_stack(positions, episodes, clean) for positions in groups.values()]


def _stack(
    positions: list[int], episodes: Sequence[Episode], clean: list[tuple[Tensor, Tensor]]
) -> Stack:
    chosen = [episodes[i] for i in positions]
    most = max(e.n_query for e in chosen)
    fill = [most - e.n_query for e in chosen]
    weight = [e.x_query.new_full((e.n_query,), 1 / e.n_query, dtype=torch.float32) for e in chosen]
    return Stack(
        positions=positions,
        x_context=torch.stack([clean[i][0] for i in positions]),
        y_context=torch.stack([e.y_context for e in chosen]),
        x_query=torch.stack(
            [pad(clean[i][1], (0, 0, 0, n)) for i, n in zip(positions, fill, strict=True)]
        ),
        y_query=torch.stack([pad(e.y_query, (0, n)) for e, n in zip(chosen, fill, strict=True)]),
        weight=torch.stack([pad(w, (0, n)) for w, n in zip(weight, fill, strict=True)]),
        n_classes=torch.tensor([e.n_classes for e in chosen], device=weight[0].device),
    )
