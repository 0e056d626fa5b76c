"""The context rows nearest to some query rows, for a model that takes fewer than there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.episode import Episode

NEAREST_QUERY_ROWS = 64
"""Most query rows that share a context of nearest rows: more would have less in common with it."""

_FAR = 5.0  # standard deviations, beyond which a value is no further away


@dataclass(frozen=True, eq=False)
class NearestRows:
    """Chooses from the context rows of an episode the nearest to its query rows.

    Distances are Euclidean in the encoded space [our choice]: numbers in training standard
    deviations, at most 5 from the mean; two categories are 1 apart; a gap counts as the mean, or as
    a category of its own.

    Args:
        episode: Its context rows are the candidates, on any device.
        most: Rows to choose, at most.
    """

    episode: Episode
    most: int
    coded: Callable[[Tensor], NDArray[np.float32]]
    neighbours: Callable[[NDArray[np.float32]], NDArray[np.int64]]

    @classmethod
    def of(cls, episode: Episode, most: int) -> NearestRows:
        from sklearn.neighbors import NearestNeighbors

        coded = _coding(episode)
        model = NearestNeighbors(n_neighbors=min(most, len(episode.x_context)))
        model.fit(coded(episode.x_context))

        def neighbours(rows: NDArray[np.float32]) -> NDArray[np.int64]:
            found: NDArray[np.int64] = model.kneighbors(rows, return_distance=False)
            return found

        return cls(episode, most, coded, neighbours)

    def context_of(self, asked: Episode) -> Episode:
        """The episode with the context rows nearest to its query rows alone, in their order.

        A row's place is its best among the neighbours of each query row, so that every query row
        has its nearest ones before any has further ones; ties go to the earlier row.
        """
        if not asked.n_query:
            return asked
        found = self.neighbours(self.coded(asked.x_query))
        place = np.full(len(self.episode.x_context), found.shape[1], dtype=np.int64)
        np.minimum.at(place, found, np.arange(found.shape[1])[None])
        chosen = np.sort(np.argsort(place, kind="stable")[: self.most])
        rows = torch.from_numpy(chosen).to(asked.x_context.device)
        return replace(
            asked,
            x_context=asked.x_context[rows],
            y_context=asked.y_context[rows],
            context_origin=asked.context_origin[rows],
            context_shared=False,
        )


def _coding(episode: Episode) -> Callable[[Tensor], NDArray[np.float32]]:
    """What maps encoded rows (n, C) to points, float32 (n, P)."""
    categorical = episode.categorical.cpu().numpy()
    context = episode.x_context.cpu().numpy()
    levels = [np.unique(column[np.isfinite(column)]) for column in context[:, categorical].T]

    def coded(x: Tensor) -> NDArray[np.float32]:
        rows = x.cpu().numpy()
        numbers = np.clip(np.nan_to_num(rows[:, ~categorical]), -_FAR, _FAR)
        marks = [
            (column[:, None] == known) * np.sqrt(0.5)
            for column, known in zip(rows[:, categorical].T, levels, strict=True)
        ]
        return np.concatenate([numbers, *marks], axis=1).astype(np.float32)

    return coded
