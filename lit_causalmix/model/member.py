"""One fine-tuned backbone with the rows that it predicts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.backbones.contexts import ContextMemory
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LimitError
from lit_causalmix.tables.encoding import Encoder
from lit_causalmix.tables.episodes import (
    EpisodeParts,
    make_episode,
    nearest_rows,
    query_chunks,
    with_query,
)
from lit_causalmix.tables.nearest import NEAREST_QUERY_ROWS, NearestRows
from lit_causalmix.tables.schema import Column, ColumnKind, Schema
from lit_causalmix.tables.table import Table

Floats = NDArray[np.float32] | NDArray[np.float64]
Read = Callable[[Tensor, Episode], Tensor]
"""Reads the output of a backbone for an episode: (Q, …)."""


@dataclass(eq=False)
class Member:
    """A backbone in evaluation, its encoder and its context; a fold of an ensemble, or all of it.

    The context is coded once, and every prediction gets the very same tensors of it
    (`tables.episodes.with_query`); where several chunks ask it, what the backbone makes of it is
    kept, too (`backbones.contexts`), and used again by later predictions of several chunks.

    Args:
        backbone: The fine-tuned backbone, which the member takes over: it is specialised to the
            table and put in evaluation.
        encoder: As in training.
        context: The labelled rows that it predicts from.
        max_query_rows: Most query rows in one forward pass, as in training: the same rows then
            give the same bits.
        nearest: Rows of the context that a prediction reads, those nearest to the rows that are
            asked together (`NearestRows`); None reads all.
        keeps_context: Whether what the backbone makes of the context is kept for the next call
            also where one chunk asks it. Saves most of the time of a few rows; predictions then
            differ from training's in the last digits (1e-6).
    """

    backbone: Backbone
    encoder: Encoder
    context: Table
    max_query_rows: int
    nearest: int | None = None
    keeps_context: bool = False
    _episode: Episode = field(init=False, repr=False)
    _nearest: NearestRows | None = field(init=False, repr=False)
    _contexts: ContextMemory = field(init=False, repr=False, default_factory=ContextMemory)

    def __post_init__(self) -> None:
        self.backbone.specialise(self.schema)
        self.backbone.eval()
        rows = EpisodeParts.of(self.context)
        self._episode = make_episode(rows, rows.take(np.arange(0)), self.encoder)
        self._nearest = nearest_rows(self._episode, self.nearest)

    @property
    def schema(self) -> Schema:
        """The columns as the member codes them."""
        return self.context.schema

    @property
    def chooses_context(self) -> bool:
        """Whether predictions depend on the rows that are asked together (`nearest`)."""
        return self._nearest is not None

    def to(self, device: str | torch.device) -> None:
        """Moves backbone and context."""
        self.backbone.to(device)
        self._episode = self._episode.to(device)
        self._contexts.forget()

    def predict(self, values: NDArray[np.float64]) -> Floats:
        """Predicts coded rows (n, C + 1); their targets are not read.

        Returns:
            Probabilities float32 (n, K), or numbers float64 (n,) in the target's units.

        Raises:
            LimitError: If a prediction is not finite.
        """
        return self._read(values, self.backbone.predict)

    def predict_for(self, classes: Sequence[str], values: NDArray[np.float64]) -> Floats:
        """`predict` with probabilities in the order of some classes; one unknown here gets 0."""
        found, own = self.predict(values), self.schema.target.categories
        if not classes or own == tuple(classes):
            return found
        aligned = np.zeros((len(found), len(classes)), dtype=found.dtype)
        aligned[:, [classes.index(label) for label in own]] = found
        return aligned

    def quantiles(self, values: NDArray[np.float64], levels: Sequence[float]) -> Floats:
        """Quantiles of the predictions for coded rows, float64 (n, L).

        Raises:
            LimitError: If the backbone predicts no distribution, or a quantile is not finite.
        """
        return self._read(values, lambda o, e: self.backbone.quantiles(o, e, levels))

    def _read(self, values: NDArray[np.float64], read: Read) -> Floats:
        rows = replace(self.context, values=values, rows=np.arange(len(values)))
        found = []
        most = min(self.max_query_rows, NEAREST_QUERY_ROWS) if self._nearest else None
        chunks = query_chunks([EpisodeParts.of(rows)], most or self.max_query_rows)
        shared = self.keeps_context or len(chunks) > 1  # more than one chunk: as in training
        context = replace(self._episode, context_shared=shared)
        with torch.inference_mode():
            for chunk in chunks:
                episode = with_query(context, chunk, self.encoder)
                if self._nearest is not None:
                    episode = self._nearest.context_of(episode)
                output = self._contexts.output(self.backbone, episode)
                found.append(read(output, episode).cpu())
        array: Floats = torch.cat(found).numpy()
        unread = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if unread.any():
            raise LimitError(
                f"predictions have to be finite: those of {unread.sum()} of {len(array)} rows are "
                f"not, first row {unread.argmax()} (counted from 0): "
                f"{type(self.backbone).__name__} cannot compute with its cells"
            )
        return array


def features_of(members: Iterable[Member]) -> tuple[Column, ...]:
    """The columns that members read, each as the first of them that reads it knows it.

    A column of few cells may have none in the rows of a fold, whose member then does not read it.
    Categories are those that any of them knows: a fold need not have them all.
    """
    found: dict[str, Column] = {}
    for member in members:
        for column in member.schema.features:
            known = found.setdefault(column.name, column)
            if not known.is_numerical and known.categories != column.categories:
                found[column.name] = _with_categories_of(known, column)
    return tuple(found.values())


def unused_by(members: Sequence[Member]) -> set[str]:
    """The names among `features_of` that no member predicts from, as their encoders leave them out.

    A member may leave out what is the same in all rows of its fold.
    """
    read = {
        column.name
        for member in members
        for column in member.schema.features
        if column.name not in member.encoder.left_out
    }
    return {column.name for column in features_of(members)} - read


def _with_categories_of(column: Column, other: Column) -> Column:
    """The column with the categories of another one in their place: rank, else number or text."""
    if column.kind is not ColumnKind.ORDINAL:
        merged = sorted({*column.categories, *other.categories}, key=_value)
        kind = column.kind if other.kind is column.kind else ColumnKind.CATEGORICAL
        return replace(column, kind=kind, categories=tuple(merged))
    ranked = list(column.categories)
    for lower, label in pairwise(("", *other.categories)):
        if label not in ranked:
            ranked.insert(ranked.index(lower) + 1 if lower in ranked else 0, label)
    return replace(column, categories=tuple(ranked))


def _value(label: str) -> tuple[bool, float, str]:
    """Sorts categories as those of one member are sorted."""
    try:
        number = float(label)
    except ValueError:
        number = np.nan
    return (True, 0.0, label) if np.isnan(number) else (False, number, label)
