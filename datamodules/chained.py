"""The streams of several tables: one that draws among them, one that puts them end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from lit_causalmix.datamodules.stream import place_of
from lit_causalmix.episode import Episode
from lit_causalmix.seeding import rng


class TablesStream(Dataset[Episode]):
    """Training episodes of several tables: key → an episode of the table that is drawn for it.

    Args:
        streams: The stream of each table; its key is that of (epoch, index).
        weights: How often each is drawn, in proportion.
        domain_ids: Of each table.
        episodes_per_epoch: Length of the stream.
        seed: The run's seed.
    """

    def __init__(
        self,
        streams: Sequence[Dataset[Episode]],
        weights: Sequence[float],
        *,
        domain_ids: Sequence[int],
        episodes_per_epoch: int,
        seed: int,
    ) -> None:
        self.streams = tuple(streams)
        self.shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.domain_ids = tuple(domain_ids)
        self.episodes_per_epoch = episodes_per_epoch
        self.seed = seed

    def __len__(self) -> int:
        return self.episodes_per_epoch

    def table_at(self, epoch: int, index: int) -> int:
        """Position of the table whose episode stands at (epoch, index)."""
        generator = rng(self.seed, "table", epoch, index)
        return int(generator.choice(len(self.streams), p=self.shares))

    def __getitem__(self, key: int) -> Episode:
        table = self.table_at(*place_of(key))
        episode = self.streams[table][key]
        return replace(episode, table_id=table, domain_id=self.domain_ids[table])


class ChainedStream(Dataset[Episode]):
    """The evaluation episodes of several tables, one table after the other.

    Each table's stream is a multiple of the ranks long, so every rank scores some of each.

    Args:
        streams: The sized stream of each table.
        domain_ids: Of each table.
    """

    def __init__(self, streams: Sequence[Any], *, domain_ids: Sequence[int]) -> None:
        self.streams = tuple(streams)
        self.domain_ids = tuple(domain_ids)
        self._ends = np.cumsum([len(stream) for stream in streams])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"episode {index} of {len(self)}")
        table = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[table]) - len(self.streams[table])
        episode: Episode = self.streams[table][index - start]
        return replace(episode, table_id=table, domain_id=self.domain_ids[table])
