"""The map-style stream of training episodes: a pure function of (seed, epoch, index)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import Encoder, Table
from lit_causalmix.tables.episodes import EpisodeParts, make_episode
from lit_causalmix.training.mixing import (
    EpisodeClasses,
    MixtureCounts,
    Mode,
    Placement,
    mixture_counts,
    pick_real_rows,
    stratified_order,
)
from lit_causalmix.training.schedules import EpisodeSchedule

_EPOCH_SHIFT = 32


def episode_key(epoch: int, index: int) -> int:
    """Packs (epoch, index) into the one integer that a sampler hands to a dataset."""
    return (epoch << _EPOCH_SHIFT) | index


def place_of(key: int) -> tuple[int, int]:
    """Unpacks a key into (epoch, index)."""
    return key >> _EPOCH_SHIFT, key & ((1 << _EPOCH_SHIFT) - 1)


class RowSource(Protocol):
    """Where the synthetic rows of an episode come from."""

    def draw(self, n: int, epoch: int, index: int, /) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1): same arguments, same rows."""
        ...


def check_real_rows(
    n_train: int,
    n_context: int,
    n_query: int,
    ratio: float,
    placement: Placement = "both",
    mode: Mode = "replace",
) -> None:
    """Refuses episodes that take more real rows than there are.

    Args:
        n_train: Rows of the training split.
        n_context: Context rows of an episode.
        n_query: Its query rows.
        ratio: Share of synthetic rows.
        placement: Where they may stand.
        mode: Whether they take the place of real ones.

    Raises:
        ConfigurationError: With the sizes.

    Example:
        >>> check_real_rows(80, 128, 32, 0.5)
        >>> check_real_rows(80, 128, 32, 0.0)
        Traceback (most recent call last):
        ...
        lit_causalmix.errors.ConfigurationError: an episode of 128 context and 32 query rows ...
    """
    counts = mixture_counts(n_context, n_query, ratio, placement, mode)
    if counts.real > n_train:
        instead = " or raise the (lowest) ratio" if mode == "replace" else ""
        raise ConfigurationError(
            f"an episode of {n_context} context and {n_query} query rows needs "
            f"{counts.real} real rows at synthetic_ratio {ratio:g}, the training split has "
            f"{n_train}: lower episode_rows{instead}"
        )


class MixtureStream(Dataset[Episode]):
    """Training episodes: a fresh context/query split of real rows, mixed with synthetic ones.

    Args:
        train: The training split.
        encoder: Fitted on the training split.
        synthetic: Synthetic rows, or None for real rows alone.
        ratio: Share of synthetic rows where they may stand, 0 to 1; see also `follow`.
        placement: Where synthetic rows may stand.
        n_context: Context rows of an episode; where synthetic rows are added, the real ones.
        n_query: Query rows of an episode, likewise.
        episodes_per_epoch: Length of the stream.
        seed: The run's seed.
        mode: Whether synthetic rows take the place of real ones or come on top.
        classes: Class shares of the real rows.
        table_id: Goes into the episodes.
        domain_id: Goes into the episodes.

    Raises:
        ConfigurationError: If the training split has too few rows for the sizes and the ratio.
    """

    def __init__(
        self,
        train: Table,
        encoder: Encoder,
        synthetic: RowSource | None,
        *,
        ratio: float,
        placement: Placement,
        n_context: int,
        n_query: int,
        episodes_per_epoch: int,
        seed: int,
        mode: Mode = "replace",
        classes: EpisodeClasses = "stratified",
        table_id: int = 0,
        domain_id: int = 0,
    ) -> None:
        self.train = train
        self.encoder = encoder
        self.synthetic = synthetic
        self.ratio = ratio
        self.placement: Placement = placement
        self.n_context = n_context
        self.n_query = n_query
        self.episodes_per_epoch = episodes_per_epoch
        self.seed = seed
        self.mode: Mode = mode
        self.classes: EpisodeClasses = classes
        self.table_id = table_id
        self.domain_id = domain_id
        self.labels = train.target.astype(np.int64) if encoder.n_classes else None
        self._schedule: EpisodeSchedule | None = None
        self._check_real_rows(self.ratio_at(0, 0))

    def follow(self, schedule: EpisodeSchedule) -> None:
        """Lets the ratio follow a schedule from now on.

        Raises:
            ConfigurationError: If there are too few real rows for its lowest ratio, or none to add
                to at its highest.
        """
        lowest, highest = schedule.range()
        self._check_real_rows(lowest)
        self._counts(highest)
        self._schedule = schedule

    def ratio_at(self, epoch: int, index: int) -> float:
        """The ratio of an episode, 0 where there are no synthetic rows at all."""
        if self.synthetic is None:
            return 0.0
        return self.ratio if self._schedule is None else self._schedule(epoch, index)

    def _counts(self, ratio: float) -> MixtureCounts:
        return mixture_counts(self.n_context, self.n_query, ratio, self.placement, self.mode)

    def _check_real_rows(self, ratio: float) -> None:
        sizes = (self.n_context, self.n_query)
        check_real_rows(len(self.train), *sizes, ratio, self.placement, self.mode)

    def __len__(self) -> int:
        return self.episodes_per_epoch

    def __getitem__(self, key: int) -> Episode:
        return self.episode(*place_of(key))

    def episode(self, epoch: int, index: int) -> Episode:
        """The episode at (epoch, index): the same bits whenever, wherever and in whatever order."""
        ratio = self.ratio_at(epoch, index)
        counts = self._counts(ratio)
        generator = rng(self.seed, "episode", epoch, index)
        context_rows, query_rows = pick_real_rows(
            self.labels, len(self.train), counts, generator, self.classes
        )
        width = self.train.values.shape[1]
        drawn = (
            self.synthetic.draw(counts.synthetic, epoch, index)
            if self.synthetic is not None and counts.synthetic
            else np.empty((0, width))
        )
        in_context = self._synthetic_context(drawn, counts.synthetic_context, generator)
        context = EpisodeParts.mixed(self.train.take(context_rows), drawn[in_context], generator)
        query = EpisodeParts.mixed(self.train.take(query_rows), drawn[~in_context], generator)
        if self.labels is not None:
            # A query label that the context never shows cannot be predicted in context.
            query = query.take(np.isin(query.values[:, -1], context.values[:, -1]))
        if not len(query.values):
            raise GeneratorError(
                f"no query row of episode {index} in epoch {epoch} has a class that its context "
                "shows: lower synthetic_ratio or raise episode_rows"
            )
        return make_episode(
            context, query, self.encoder, table_id=self.table_id, domain_id=self.domain_id
        )

    def _synthetic_context(
        self, drawn: NDArray[np.float64], n_context: int, generator: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Marks the synthetic rows that stand in the context, stratified like the real ones."""
        labels = None if self.labels is None else drawn[:, -1].astype(np.int64)
        mask = np.zeros(len(drawn), dtype=bool)
        mask[stratified_order(labels, len(drawn), generator)[:n_context]] = True
        return mask
