"""Episodes of one shape in a few tensors: what moves between processes and devices at once.

Shape legend: B = episodes, R = context rows, Q = query rows, C = columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, overload

import torch
from torch import Tensor
from torch.nn.functional import pad

from lit_causalmix.episode import Episode, RowOrigin


@dataclass(frozen=True, eq=False)
class StackedRows:
    """Rows of episodes with equally many context rows and columns; shorter queries are filled up.

    Attributes:
        x_context: float32 (B, R, C), as in `Episode`.
        y_context: (B, R), likewise.
        x_query: float32 (B, Q, C), likewise; zero where filled up.
        y_query: (B, Q), likewise; zero where filled up.
        categorical: bool (B, C), likewise.
    """

    x_context: Tensor
    y_context: Tensor
    x_query: Tensor
    y_query: Tensor
    categorical: Tensor

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> StackedRows:
        """Stacks the rows; those of a stack are at hand."""
        if isinstance(episodes, EpisodeStack):
            return episodes.rows
        most = max(episode.n_query for episode in episodes)

        def filled(rows: Tensor) -> Tensor:
            return pad(rows, (0, 0) * (rows.ndim - 1) + (0, most - len(rows)))

        return cls(
            x_context=torch.stack([e.x_context for e in episodes]).float(),
            y_context=torch.stack([e.y_context for e in episodes]),
            x_query=torch.stack([filled(e.x_query) for e in episodes]).float(),
            y_query=torch.stack([filled(e.y_query) for e in episodes]),
            categorical=torch.stack([e.categorical for e in episodes]),
        )

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same with a function laid over every tensor."""
        return replace(self, **{name: function(rows) for name, rows in vars(self).items()})


class EpisodeStack(Sequence[Episode]):
    """Episodes of one shape and origin, as a sequence; an item is a view of the stacked rows.

    Hundreds of small tasks make a step of pre-training, and every tensor that goes from a worker to
    the trainer, or to a device, costs a call: this has five.

    Args:
        rows: Their rows.
        lengths: Query rows of each.
        classes: Classes of each; 0 for regression.
        origin: Of all rows.

    Example:
        >>> from lit_causalmix.prior import PriorSettings, draw_tasks
        >>> tasks = draw_tasks(PriorSettings(), cells=900, seed=0, epoch=0, index=0)
        >>> stack = EpisodeStack.of(tasks)
        >>> len(stack) == len(tasks), torch.equal(stack[0].y_query, tasks[0].y_query)
        (True, True)
    """

    def __init__(
        self, rows: StackedRows, lengths: Sequence[int], classes: Sequence[int], origin: RowOrigin
    ) -> None:
        self.rows = rows
        self.lengths = tuple(lengths)
        self.classes = tuple(classes)
        self.origin = origin

    @classmethod
    def of(cls, episodes: Sequence[Episode], origin: RowOrigin = RowOrigin.SYNTHETIC) -> Self:
        """Stacks episodes of standardised targets that nothing is known of but rows and classes."""
        return cls(
            StackedRows.of(episodes),
            [episode.n_query for episode in episodes],
            [episode.n_classes for episode in episodes],
            origin,
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Episode: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Episode]: ...

    def __getitem__(self, index: int | slice) -> Episode | Sequence[Episode]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        rows, length = self.rows, self.lengths[index]
        y_context, y_query = rows.y_context[index], rows.y_query[index, :length]
        return Episode(
            x_context=rows.x_context[index],
            y_context=y_context,
            context_origin=torch.full_like(y_context, self.origin, dtype=torch.int8),
            x_query=rows.x_query[index, :length],
            y_query=y_query,
            query_origin=torch.full_like(y_query, self.origin, dtype=torch.int8),
            query_row=torch.arange(length, device=y_query.device),
            categorical=rows.categorical[index],
            n_classes=self.classes[index],
        )

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(self.rows.map(function), self.lengths, self.classes, self.origin)

    # Lightning and torch move a batch by these two methods.
    def to(self, device: torch.device | str) -> Self:
        """Returns the stack with every tensor moved; from pinned memory nothing waits for it."""
        return self._map(lambda rows: rows.to(device, non_blocking=rows.is_pinned()))

    def pin_memory(self) -> Self:
        """The same in pinned memory, from which a GPU copies faster."""
        return self._map(torch.Tensor.pin_memory)


def query_lengths(episodes: Sequence[Episode]) -> Iterator[int]:
    """Query rows of each episode, without views of a stack."""
    if isinstance(episodes, EpisodeStack):
        return iter(episodes.lengths)
    return (episode.n_query for episode in episodes)


def class_counts(episodes: Sequence[Episode]) -> Iterator[int]:
    """Classes of each episode, 0 for regression, likewise."""
    if isinstance(episodes, EpisodeStack):
        return iter(episodes.classes)
    return (episode.n_classes for episode in episodes)
