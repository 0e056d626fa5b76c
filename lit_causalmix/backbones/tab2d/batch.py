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

from lit_causalmix.backbones.tab2d.preprocessing import impute, varying
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

    def take(self, tables: list[int], columns: Tensor) -> Stack:
        """Returns some of the tables, with some of their columns (bool (F,))."""
        return Stack(
            positions=[self.positions[i] for i in tables],
            x_context=self.x_context[tables][..., columns],
            y_context=self.y_context[tables],
            x_query=self.x_query[tables][..., columns],
            y_query=self.y_query[tables],
            weight=self.weight[tables],
            n_classes=self.n_classes[tables],
        )


def stacks(episodes: Sequence[Episode]) -> list[Stack]:
    """Groups tables by context rows and columns, and then by which columns vary.

    A group costs a few operations and one wait for the device, whatever the number of its tables.
    """
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for position, episode in enumerate(episodes):
        groups[episode.x_context.shape].append(position)
    stacked = [_stack(positions, episodes) for positions in groups.values()]
    return [part for stack in stacked for part in _without_constant_columns(stack)]


def _stack(positions: list[int], episodes: Sequence[Episode]) -> Stack:
    chosen = [episodes[i] for i in positions]
    most = max(e.n_query for e in chosen)
    x_context, x_query = impute(
        torch.stack([e.x_context for e in chosen]),
        torch.stack([_fill(e.x_query, most, (0, 0)) for e in chosen]),
    )
    device = x_context.device
    length = torch.tensor([[e.n_query] for e in chosen], device=device)
    return Stack(
        positions=positions,
        x_context=x_context,
        y_context=torch.stack([e.y_context for e in chosen]),
        x_query=x_query,
        y_query=torch.stack([_fill(e.y_query, most) for e in chosen]),
        weight=(torch.arange(most, device=device) < length) / length,
        n_classes=torch.tensor([e.n_classes for e in chosen], device=device),
    )


def _fill(rows: Tensor, most: int, other_dimensions: tuple[int, ...] = ()) -> Tensor:
    missing = most - len(rows)
    return pad(rows, (*other_dimensions, 0, missing)) if missing else rows


def _without_constant_columns(stack: Stack) -> list[Stack]:
    varies = varying(stack.x_context)
    patterns: defaultdict[tuple[bool, ...], list[int]] = defaultdict(list)
    for table, pattern in enumerate(varies.tolist()):
        patterns[tuple(pattern)].append(table)
    if len(patterns) == 1 and all(next(iter(patterns))):
        return [stack]
    return [stack.take(tables, varies[tables[0]]) for tables in patterns.values()]
