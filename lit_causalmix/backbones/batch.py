"""Tables of equal shape in one pass.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import EpisodeStack, StackedRows, class_counts, query_lengths
from lit_causalmix.errors import LimitError


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
        """Stacks episodes of equal shape."""
        rows = StackedRows.of(episodes)
        device = rows.y_query.device
        facts = torch.tensor([list(query_lengths(episodes)), list(class_counts(episodes))])
        length, n_classes = facts.to(device, non_blocking=True)[:, :, None]
        filled = torch.arange(rows.y_query.shape[1], device=device) < length
        return cls(positions, rows, filled / length, n_classes[:, None])

    def take(self, tables: Sequence[int], columns: Tensor) -> Batch:
        """Some of the tables, with some of their columns (bool (F,))."""
        index, rows = list(tables), self.rows
        return Batch(
            positions=[self.positions[i] for i in index],
            rows=StackedRows(
                x_context=rows.x_context[index][..., columns],
                y_context=rows.y_context[index],
                x_query=rows.x_query[index][..., columns],
                y_query=rows.y_query[index],
                categorical=rows.categorical[index][..., columns],
            ),
            weight=self.weight[index],
            n_classes=self.n_classes[index],
        )


def batches(episodes: Sequence[Episode]) -> list[Batch]:
    """Groups tables by their numbers of context rows and columns."""
    if isinstance(episodes, EpisodeStack):
        return [Batch.of(range(len(episodes)), episodes)]
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for position, episode in enumerate(episodes):
        groups[episode.x_context.shape].append(position)
    return [Batch.of(positions, [episodes[i] for i in positions]) for positions in groups.values()]


def in_order(losses: Iterable[Tensor], groups: Sequence[Batch]) -> Tensor:
    """Losses of the tables of each batch, as the tables stood in the sequence that was grouped."""
    found = list(losses)
    if len(groups) == 1:
        return found[0]
    order = torch.tensor([i for batch in groups for i in batch.positions])
    return torch.cat(found)[order.argsort()]


def check_classes(model: str, task: str, most: int, n_classes: int) -> None:
    """Refuses an episode of another task than the model's, or with too many classes.

    Args:
        model: Its name.
        task: "classification" or "regression": what it is for.
        most: Most classes that it takes.
        n_classes: Of the episode; 0 for regression.

    Raises:
        LimitError: With the rule and what to do.
    """
    if (n_classes > 0) != (task == "classification"):
        raise LimitError(
            f"this {model} is for {task}, the episode for the other task: set the backbone's task"
        )
    if n_classes > most:
        raise LimitError(f"this {model} takes at most {most} classes, the episode has {n_classes}")
