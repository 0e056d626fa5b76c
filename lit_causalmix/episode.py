"""The episode: what a datamodule produces and a backbone consumes.

Shape legend: R = context rows, Q = query rows, C = columns (features).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

PADDING_ROW = -1
"""`Episode.query_row` of a row that only evens out the ranks: no metric counts it."""


class RowOrigin(IntEnum):
    """Where a row comes from: the row sense of "domain"."""

    REAL = 0
    SYNTHETIC = 1
    PERTURBED = 2


@dataclass(frozen=True, eq=False)
class Episode:
    """One in-context learning problem: labelled context rows and query rows to predict.

    Attributes:
        x_context: float32 (R, C). Numerical columns standardised by the training split,
            categorical ones as category index, missing or unseen values NaN.
        y_context: int64 (R,) class index, or float32 (R,) standardised target.
        context_origin: int8 (R,), a `RowOrigin` each.
        x_query: float32 (Q, C), encoded as `x_context`.
        y_query: As `y_context`, (Q,). NaN or -1 where the target is unknown (prediction).
        query_origin: int8 (Q,), a `RowOrigin` each.
        query_row: int64 (Q,), position of the row in its source (of a synthetic row, in its draw);
            `PADDING_ROW` for padding.
        categorical: bool (C,), True where the column holds category indices.
        n_classes: Number of classes of the table; 0 for regression.
        y_location: Target units: prediction = y_location + y_scale * standardised value, in
            float64, as float32 would lose the digits of a target that is far from 0.
        y_scale: See `y_location`. (0, 1) for classification.
        y_true: float64 (Q,), regression targets of the query rows in their own units, which scores
            are computed with; None where only `y_query` is known.
        table_id: Index of the table in its datamodule.
        domain_id: Index of the table's domain label in its datamodule.
        nominal: bool (C,), True where the categories of a column have no order, so that their
            indices mean nothing; None where that is not known.
        context_shared: Whether other episodes have this very context, so that encoding it once
            pays.
    """

    x_context: Tensor
    y_context: Tensor
    context_origin: Tensor
    x_query: Tensor
    y_query: Tensor
    query_origin: Tensor
    query_row: Tensor
    categorical: Tensor
    n_classes: int
    y_location: float = 0.0
    y_scale: float = 1.0
    y_true: Tensor | None = None
    table_id: int = 0
    domain_id: int = 0
    context_shared: bool = False
    nominal: Tensor | None = None

    @classmethod
    def of_rows(
        cls,
        x: Tensor,
        y: Tensor,
        n_context: int,
        n_classes: int,
        *,
        categorical: Tensor | None = None,
        **others: Any,
    ) -> Episode:
        """Makes an episode of real rows: the first ones are context, the rest is query.

        Args:
            x: float32 (R + Q, C), encoded as `x_context`.
            y: Targets, (R + Q,), as `y_context`.
            n_context: R.
            n_classes: Number of classes; 0 for regression.
            categorical: bool (C,); None where no column holds categories.
            others: More attributes, such as `y_location`.

        Example:
            >>> episode = Episode.of_rows(torch.zeros(5, 2), torch.arange(5) % 2, 3, 2)
            >>> episode.x_context.shape, episode.query_row.tolist()
            (torch.Size([3, 2]), [0, 1])
        """
        n_query = len(x) - n_context
        return cls(
            x_context=x[:n_context],
            y_context=y[:n_context],
            context_origin=torch.full((n_context,), RowOrigin.REAL, dtype=torch.int8),
            x_query=x[n_context:],
            y_query=y[n_context:],
            query_origin=torch.full((n_query,), RowOrigin.REAL, dtype=torch.int8),
            query_row=torch.arange(n_query),
            categorical=(
                torch.zeros(x.shape[1], dtype=torch.bool) if categorical is None else categorical
            ),
            n_classes=n_classes,
            **others,
        )

    @property
    def is_classification(self) -> bool:
        """Whether the targets are classes."""
        return self.n_classes > 0

    @property
    def n_query(self) -> int:
        """Query rows, Q."""
        return self.x_query.shape[0]

    @property
    def target(self) -> Tensor:
        """Targets of the query rows: int64 (Q,) classes, or float64 (Q,) in the target's units."""
        if self.is_classification:
            return self.y_query
        if self.y_true is not None:
            return self.y_true
        return self.y_location + self.y_scale * self.y_query.double()

    def take_query(self, rows: Tensor) -> Episode:
        """The episode with some of its query rows alone, bool (Q,) or positions."""
        return replace(
            self,
            x_query=self.x_query[rows],
            y_query=self.y_query[rows],
            query_origin=self.query_origin[rows],
            query_row=self.query_row[rows],
            y_true=None if self.y_true is None else self.y_true[rows],
        )

    def _map(self, function: Any) -> Episode:
        tensors = {
            f.name: function(getattr(self, f.name))
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **tensors)

    # Lightning and torch move a batch by these two methods.
    def to(self, *args: Any, **kwargs: Any) -> Episode:
        """Returns the episode with every tensor moved; float dtypes apply to float tensors only."""
        return self._map(lambda t: t.to(*args, **kwargs))

    def pin_memory(self) -> Episode:
        """The same in pinned memory, from which a GPU copies faster."""
        return self._map(torch.Tensor.pin_memory)
