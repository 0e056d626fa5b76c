"""From coded rows to episodes: the last step before a backbone, in training and in prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.tables.encoding import Encoder
from lit_causalmix.tables.nearest import NEAREST_QUERY_ROWS, NearestRows
from lit_causalmix.tables.table import Table


@dataclass(frozen=True)
class EpisodeParts:
    """Coded rows of an episode, before encoding.

    Attributes:
        values: Coded matrix float64 (n, C + 1).
        origin: int8 (n,), a `RowOrigin` each.
        rows: int64 (n,), positions in the source, or in the draw for synthetic rows.
    """

    values: NDArray[np.float64]
    origin: NDArray[np.int8]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, table: Table) -> EpisodeParts:
        """All rows of a real table."""
        return cls(table.values, np.full(len(table), RowOrigin.REAL, np.int8), table.rows)

    @classmethod
    def synthetic(cls, values: NDArray[np.float64]) -> EpisodeParts:
        """Rows that a generator drew."""
        rows = np.arange(len(values), dtype=np.int64)
        return cls(values, np.full(len(values), RowOrigin.SYNTHETIC, np.int8), rows)

    @classmethod
    def mixed(
        cls, real: Table, synthetic: NDArray[np.float64], generator: np.random.Generator
    ) -> EpisodeParts:
        """Real and synthetic rows in random order."""
        parts = (cls.of(real), cls.synthetic(synthetic))
        order = generator.permutation(len(real) + len(synthetic))
        return cls(
            np.concatenate([p.values for p in parts])[order],
            np.concatenate([p.origin for p in parts])[order],
            np.concatenate([p.rows for p in parts])[order],
        )

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> EpisodeParts:
        """Some of the rows, by positions or a mask."""
        return EpisodeParts(self.values[chosen], self.origin[chosen], self.rows[chosen])


def make_episode(
    context: EpisodeParts,
    query: EpisodeParts,
    encoder: Encoder,
    *,
    table_id: int = 0,
    domain_id: int = 0,
) -> Episode:
    """Encodes two parts into an `Episode`."""
    return Episode(
        x_context=torch.from_numpy(encoder.features(context.values)),
        y_context=torch.from_numpy(encoder.targets(context.values)),
        context_origin=torch.from_numpy(context.origin),
        x_query=torch.from_numpy(encoder.features(query.values)),
        y_query=torch.from_numpy(encoder.targets(query.values)),
        query_origin=torch.from_numpy(query.origin),
        query_row=torch.from_numpy(query.rows),
        categorical=torch.from_numpy(encoder.categorical),
        nominal=torch.from_numpy(encoder.nominal),
        n_classes=encoder.n_classes,
        y_location=encoder.y_location,
        y_scale=encoder.y_scale,
        y_true=None if encoder.n_classes else torch.from_numpy(query.values[:, -1].copy()),
        table_id=table_id,
        domain_id=domain_id,
    )


def with_query(episode: Episode, query: EpisodeParts, encoder: Encoder) -> Episode:
    """The episode with other query rows, on the device of its context.

    The tensors of its context are the very same objects, so that a backbone which keeps what it
    made of them knows them again.
    """
    asked = make_episode(query.take(np.arange(0)), query, encoder).to(episode.x_context.device)
    return replace(
        episode,
        x_query=asked.x_query,
        y_query=asked.y_query,
        query_origin=asked.query_origin,
        query_row=asked.query_row,
        y_true=asked.y_true,
    )


def query_chunks(parts: Sequence[EpisodeParts], most: int) -> list[EpisodeParts]:
    """Cuts parts into pieces of at most `most` rows, each part evenly and in its order."""
    return [
        part.take(chunk)
        for part in parts
        for chunk in np.array_split(
            np.arange(len(part.values)), max(1, -(-len(part.values) // most))
        )
    ]


class EvaluationStream(Dataset[Episode]):
    """Evaluation episodes: all context rows in each, the rows to predict in chunks.

    The number of episodes is rounded up to a multiple of `world_size` with padding rows that no
    metric counts, so that all ranks take equally many steps and no row is counted twice. The
    context is encoded once (`with_query`), unless each chunk has its own (`nearest`).

    Args:
        context: Real rows, the context of every episode.
        query: Rows to predict, one or more parts (real and synthetic, say).
        encoder: Fitted on the training split.
        n_query: Most query rows in one episode.
        nearest: Context rows of an episode, those nearest to its query rows (`NearestRows`); None
            takes all.
        world_size: Number of ranks.
        table_id: Goes into the episodes.
        domain_id: Goes into the episodes.
    """

    def __init__(
        self,
        context: Table,
        query: list[EpisodeParts],
        encoder: Encoder,
        *,
        n_query: int,
        nearest: int | None = None,
        world_size: int = 1,
        table_id: int = 0,
        domain_id: int = 0,
    ) -> None:
        self.encoder = encoder
        rows = EpisodeParts.of(context)
        self.context = make_episode(
            rows, rows.take(np.arange(0)), encoder, table_id=table_id, domain_id=domain_id
        )
        padding = EpisodeParts(
            context.values[:1],
            np.full(1, RowOrigin.REAL, np.int8),
            np.full(1, PADDING_ROW, np.int64),
        )
        self.nearest = nearest_rows(self.context, nearest)
        n_query = n_query if self.nearest is None else min(n_query, NEAREST_QUERY_ROWS)
        self.chunks = query_chunks(query, n_query)
        shared = self.nearest is None and len(self.chunks) > world_size
        self.context = replace(self.context, context_shared=shared)
        self.chunks += [padding] * (-len(self.chunks) % world_size)

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: int) -> Episode:
        episode = with_query(self.context, self.chunks[index], self.encoder)
        return episode if self.nearest is None else self.nearest.context_of(episode)


def nearest_rows(context: Episode, most: int | None) -> NearestRows | None:
    """Chooses among the context rows of an episode; None where all of them fit."""
    fits = most is None or len(context.x_context) <= most
    return None if fits or most is None else NearestRows.of(context, most)
