"""The sampler and the loader that make streams exact over ranks, workers and restarts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

from torch.utils.data import DataLoader, Dataset, DistributedSampler

from lit_causalmix.datamodules.stream import episode_key

ItemT = TypeVar("ItemT")
ItemT_co = TypeVar("ItemT_co", covariant=True)


class KeyedStream(Protocol[ItemT_co]):
    """A map-style stream: the key of (epoch, index) → an episode, or several for one step."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: int, /) -> ItemT_co: ...


class EpisodeSampler(DistributedSampler[Any]):
    """Yields the episode keys of one rank for one epoch.

    Rank r of W takes the indices r, r + W, …; all ranks take equally many, and an index beyond
    the stream's length is one more fresh episode, not a repeated one. It is a
    `DistributedSampler`, so Lightning leaves it in place and calls `set_epoch`.

    Args:
        stream: The stream; its length is that of an epoch.
        world_size: Number of ranks, from the trainer.
        rank: This rank, from the trainer.
    """

    def __init__(self, stream: KeyedStream[Any], *, world_size: int = 1, rank: int = 0) -> None:
        super().__init__(
            cast("Dataset[Any]", stream), num_replicas=world_size, rank=rank, shuffle=False
        )
        self.skip = 0

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        for step in range(skip, len(self)):
            yield episode_key(self.epoch, step * self.num_replicas + self.rank)

    def __len__(self) -> int:
        return self.num_samples


class EpisodeLoader(DataLoader[ItemT]):
    """A `DataLoader` of whole episodes that resumes in the middle of an epoch.

    Lightning stores `state_dict` in its checkpoints. What was yielded counts, not what workers
    prefetched; between two steps, where checkpoints are written (`ExactResume`), every episode that
    was yielded has been trained on. Workers take no notice of Ctrl-C: the trainer decides when a
    fit ends, and needs their episodes until then.

    Args:
        stream: The stream.
        sampler: Its sampler.
        **kwargs: Passed to `DataLoader` (`num_workers`, `pin_memory`, …).
    """

    def __init__(self, stream: KeyedStream[ItemT], sampler: EpisodeSampler, **kwargs: Any) -> None:
        kwargs = {"sampler": sampler, "batch_size": None, "collate_fn": _whole} | kwargs
        super().__init__(cast("Dataset[ItemT]", stream), **kwargs)
        self.episode_sampler = sampler
        self._yielded = 0

    def __iter__(self) -> Iterator[ItemT]:  # type: ignore[override]  # a plain iterator is enough
        self._yielded = self.episode_sampler.skip
        with _interruptions_held():  # workers start here, and inherit it for good
            episodes = super().__iter__()
        for episode in episodes:
            self._yielded += 1
            yield episode

    def state_dict(self) -> dict[str, int]:
        """Number of episodes that this rank has taken in the current epoch."""
        return {"yielded": self._yielded % max(1, len(self.episode_sampler))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Starts the next iteration behind the episodes already taken."""
        self.episode_sampler.skip = int(state["yielded"])


def _whole(item: ItemT) -> ItemT:
    """An item as it is: torch would take a sequence apart."""
    return item


@contextmanager
def _interruptions_held() -> Iterator[None]:
    """Holds SIGINT back; one that arrives in the meantime is delivered at the end."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
