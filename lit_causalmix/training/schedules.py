"""Values that change in the course of a training: the share of synthetic rows, for one.

A schedule is a pure function of progress, so that workers, ranks and resumed runs agree.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lit_causalmix.errors import ConfigurationError


class Schedule(ABC):
    """A value as a function of progress; a new schedule is one class with a `value`."""

    @abstractmethod
    def value(self, progress: float) -> float:
        """The value at a progress from 0 (first episode) to 1 (last episode of the run)."""

    @abstractmethod
    def __str__(self) -> str:
        """The schedule in a few words, for reports."""


class Constant(Schedule):
    """One value throughout.

    Args:
        at: The value.
    """

    def __init__(self, at: float) -> None:
        self.at = at

    def value(self, progress: float) -> float:
        return self.at

    def __str__(self) -> str:
        return f"{self.at:g}"


class Linear(Schedule):
    """A straight line from the first episode to the last.

    Args:
        start: Value at the first episode.
        end: Value at the last.

    Example:
        >>> Linear(0.25, 1.0).value(0.5)
        0.625
    """

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def value(self, progress: float) -> float:
        return (1.0 - progress) * self.start + progress * self.end

    def __str__(self) -> str:
        return f"linear {self.start:g} to {self.end:g}"


class Cosine(Linear):
    """Half a cosine from `start` to `end`: slow at both ends, fast in the middle.

    Example:
        >>> [round(Cosine(0.0, 1.0).value(p), 3) for p in (0.0, 0.25, 1.0)]
        [0.0, 0.146, 1.0]
    """

    def value(self, progress: float) -> float:
        return super().value((1.0 - math.cos(math.pi * progress)) / 2.0)

    def __str__(self) -> str:
        return f"cosine {self.start:g} to {self.end:g}"


class Step(Schedule):
    """Constant pieces.

    Args:
        values: The values, in order.
        at: Progress at which each value but the first begins, strictly increasing in (0, 1).

    Raises:
        ConfigurationError: If the numbers of both do not fit, or `at` is out of order.
    """

    def __init__(self, values: Sequence[float], at: Sequence[float]) -> None:
        rising = all(a < b for a, b in pairwise([0.0, *at, 1.0]))
        if len(values) != len(at) + 1 or not rising:
            raise ConfigurationError(
                "Step needs one value more than places, and places strictly increasing in (0, 1), "
                f"got values {list(values)} at {list(at)}"
            )
        self.values = list(values)
        self.at = list(at)

    def value(self, progress: float) -> float:
        return self.values[sum(progress >= place for place in self.at)]

    def __str__(self) -> str:
        return f"steps {', '.join(f'{v:g}' for v in self.values)}"


@dataclass(frozen=True)
class Progress:
    """How far a run is at an episode.

    Attributes:
        per_epoch: Episodes of an epoch, over all ranks.
        total: Episodes of the whole run, over all ranks.
    """

    per_epoch: int
    total: int

    def __call__(self, epoch: int, index: int) -> float:
        """From 0 at the first episode to 1 at the last."""
        position = epoch * self.per_epoch + index
        return min(1.0, position / max(1, self.total - 1))


@dataclass(frozen=True)
class EpisodeSchedule:
    """A schedule over the episodes of a run.

    Attributes:
        schedule: The value as a function of progress.
        progress: The progress at an episode.
    """

    schedule: Schedule
    progress: Progress

    def __call__(self, epoch: int, index: int) -> float:
        """The value at an episode."""
        return self.schedule.value(self.progress(epoch, index))

    def __str__(self) -> str:
        return str(self.schedule)

    def range(self) -> tuple[float, float]:
        """The lowest and the highest value, over at most 10,000 evenly spaced episodes."""
        points = min(self.progress.total, 10_000)
        values = [self.schedule.value(i / max(1, points - 1)) for i in range(points)]
        return min(values), max(values)
