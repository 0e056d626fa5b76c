"""The sampler and the loader that make streams exact over ranks, workers and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, DistributedSampler

from lit_causalmix.datamodules.stream import MixtureStream, episode_key
from lit_causalmix.episode import Episode


class EpisodeSampler(DistributedSampler[Episode]):
    """Yields the episode keys of one rank for one epoch.

    Rank r of W takes the indices r, r + W, …; all ranks take equally many, and an index beyond
    the stream's length is one more fresh episode, not a repeated one. It is a
    `DistributedSampler`, so Lightning leaves it in place and calls `set_epoch`.

    Args:
        stream: The stream of episodes.
        world_size: Number of ranks, from the trainer.
        rank: This rank, from the trainer.
    """

    def __init__(self, stream: MixtureStream, *, world_size: int = 1, rank: int = 0) -> None:
        super().__init__(stream, num_replicas=world_size, rank=rank, shuffle=False)
        self.skip = 0

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        for step in range(skip, len(self)):
            yield episode_key(self.epoch, step * self.num_replicas + self.rank)

    def __len__(self) -> int:
        return self.num_samples


class EpisodeLoader(DataLoader[Episode]):
    """A `DataLoader` of whole episodes that resumes in the middle of an epoch.

    Lightning stores `state_dict` in its checkpoints. What was yielded counts, not what workers
    prefetched.

    Args:
        stream: The stream of episodes.
        sampler: Its sampler.
        **kwargs: Passed to `DataLoader` (`num_workers`, `pin_memory`, …).
    """

    def __init__(self, stream: MixtureStream, sampler: EpisodeSampler, **kwargs: Any) -> None:
        super().__init__(stream, sampler=sampler, batch_size=None, **kwargs)
        self.episode_sampler = sampler
        self._yielded = 0

    def __iter__(self) -> Iterator[Episode]:  # type: ignore[override]  # a plain iterator is enough
        self._yielded = self.episode_sampler.skip
        for episode in super().__iter__():
            self._yielded += 1
            yield episode

    def state_dict(self) -> dict[str, int]:
        """Number of episodes that this rank has taken in the current epoch."""
        return {"yielded": self._yielded % max(1, len(self.episode_sampler))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Starts the next iteration behind the episodes already taken."""
        self.episode_sampler.skip = int(state["yielded"])
