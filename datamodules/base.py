"""The base class of datamodules that stream episodes: what trainer, task and callbacks rely on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.datamodules.loading import EpisodeLoader, EpisodeSampler, KeyedStream
from lit_causalmix.datamodules.preflight import ask_callbacks, preflight
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_parts, tensor_parts
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.generated import GeneratedTable
from lit_causalmix.tables import Encoder, Table
from lit_causalmix.training.episode_data import EpisodeData
from lit_causalmix.training.schedules import EpisodeSchedule
from lit_causalmix.training.scoreboard import Stage

ItemT = TypeVar("ItemT")


class EpisodeDataModule(pl.LightningDataModule, EpisodeData, Generic[ItemT]):
    """Streams episodes to train on and to score, with or without a trainer.

    A subclass names its tables and domains, says whether targets are classes, and gives the streams
    (`EpisodeData` says what training asks of it). It fills in up to three steps, of which
    `prepare_data` takes the first two and `setup` all three: `read` its tables, `make` what is
    slow, `build` its streams. Between the first two come `preflight` and `check_rows`: callbacks,
    module and datamodule can refuse the run before anything slow is done.

    Attributes:
        train_stream: The training items, after `setup`: an episode each, or a list of them.
        deadline: Moment of `time.monotonic()` by which `make` is to give up; None sets none.
        given_up: What it gave up, in words; empty for nothing.
        num_workers: Worker processes of the training loader.
        pin_memory: Whether the loaders pin memory, for GPUs.
    """

    train_stream: KeyedStream[ItemT]
    deadline: float | None = None
    given_up: str = ""
    _fitted_before: bool = False
    num_workers: int = 0
    pin_memory: bool = False

    # -- facts ----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def table_names(self) -> Sequence[str]:
        """Names of the tables; `Episode.table_id` indexes them."""

    @property
    def method(self) -> str:
        """How the training episodes come about, in a few words for tables and titles."""
        return "fine-tuning"

    @property
    def epoch_length(self) -> int:
        """Items of the training stream in one epoch, over all ranks; known before `setup`."""
        return len(self.train_stream)

    @property
    def has_test_rows(self) -> bool:
        """Whether a fit can be tested when it ends, after `read`."""
        return False

    def context_of(self, stage: Stage) -> str:
        """Which rows a stage has as context, in words; empty where every episode has its own."""
        return ""

    def evaluation_fingerprint(self, stage: Stage) -> str:
        stream = self.evaluation_stream(stage)
        return of_parts(
            part
            for index in range(len(stream))  # type: ignore[arg-type]
            for part in _episode_parts(stream[index])
        )

    # -- synthetic rows: none, unless a subclass mixes them ---------------------------------------

    @property
    def trains_on_synthetic_rows(self) -> bool:
        """Whether training episodes hold synthetic rows."""
        return False

    def generated_tables(self) -> Sequence[GeneratedTable]:
        """The tables with their synthetic rows, after `setup`; empty where none are drawn."""
        return ()

    def foresee_ratios(self, ratios: tuple[float, float] | None) -> None:
        """Takes note, after `read`, of the lowest and highest ratio that a schedule will ask for.

        None is for a fit without a schedule. What is checked of episodes beforehand is so of both.
        """

    def schedule_ratio(self, schedule: EpisodeSchedule) -> None:
        """Lets the share of synthetic rows of the training episodes follow a schedule.

        Called after `setup`, before the first episode; the next `setup` ends it.
        """
        raise ConfigurationError(f"{type(self).__name__} has no synthetic rows to schedule")

    def schedule_confidence(self, share: EpisodeSchedule) -> None:
        """Admits the synthetic rows of the training episodes by plausibility (`ConfidentRows`).

        Called after `setup`, before the first episode; the next `setup` ends it.
        """
        raise ConfigurationError(f"{type(self).__name__} has no synthetic rows to choose from")

    # -- preparation ----------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Reads, asks who may refuse, and makes what is slow; Lightning calls it on one process."""
        self._ready()

    def setup(self, stage: str | None = None) -> None:
        """Finds again what `prepare_data` made, then builds the streams; every process calls it."""
        self._ready(prepared=True)
        self.build(stage)
        self._fitted_before |= stage == "fit"

    def _ready(self, *, prepared: bool = False) -> None:
        if self._fitted_before and self.trainer is not None and self.trainer.state.fn == "fit":
            self._fitted_before = False
            self.forget_limits()
        self.read()
        if self.trainer is None or self.trainer.state.fn == "fit":  # a test is of the fit before
            self.foresee_ratios(None)
        ask_callbacks(self.trainer)
        if prepared and self.trainer is not None and self.trainer.world_size > 1:
            self._share_limits(self.trainer.strategy.broadcast)
        preflight(
            self.trainer,
            self.training_tables(),
            self.generators(),
            self.episode_context,
            self.largest_steps(),
        )
        self.check_rows()
        self.make()

    def read(self) -> None:
        """Reads the tables, unless they are read already."""

    def training_tables(self) -> Iterable[tuple[Table, Encoder]]:
        """The training splits with their encoders, which the module may refuse."""
        return ()

    @property
    def episode_context(self) -> int:
        """Context rows of the largest training episode, after `read`; 0 where nothing bounds it."""
        return 0

    def largest_steps(self) -> Iterable[StepShape]:
        """The largest steps of the run, after `read`, for a forecast of what they take of memory.

        Nothing is foreseen of steps that are not among them.
        """
        return ()

    def generators(self) -> Iterable[Generator]:
        """The generators that `make` is going to use."""
        return ()

    def check_rows(self) -> None:
        """Refuses tables with too few rows for the run, before `make`; called on every process."""

    def make(self) -> None:
        """Fits generators and draws rows, or finds them in the cache, unless that is done."""

    def limited(self) -> Sequence[EpisodeDataModule[Any]]:
        """The datamodules that a time limit holds for: this one, and those that it is made of."""
        return (self,)

    def forget_limits(self) -> None:
        """Forgets the deadline of the fit before, and what it gave up; another fit begins."""
        for part in self.limited():
            part.deadline, part.given_up = None, ""

    def _share_limits(self, broadcast: Callable[[str], str]) -> None:
        """Has every rank give up what the one that prepared gave up, and nothing else.

        Each began its time at another moment: by its own clock one would train on rows that the
        others do without.
        """
        for part in self.limited():
            part.given_up, part.deadline = broadcast(part.given_up), None

    @abstractmethod
    def build(self, stage: str | None) -> None:
        """Builds the streams; `stage` is "fit", "validate", "test", "predict" or None."""

    # -- loaders --------------------------------------------------------------------------------

    @property
    def ranks(self) -> tuple[int, int]:
        """The number of ranks, and this one, from the trainer: a worker process knows neither."""
        if self.trainer is None:
            return 1, 0
        return self.trainer.world_size, self.trainer.global_rank

    def train_dataloader(self) -> EpisodeLoader[ItemT]:
        world_size, rank = self.ranks
        sampler = EpisodeSampler(self.train_stream, world_size=world_size, rank=rank)
        return EpisodeLoader(
            self.train_stream, sampler, num_workers=self.num_workers, pin_memory=self.pin_memory
        )

    def val_dataloader(self) -> DataLoader[Episode]:
        return self.evaluation_loader(self.evaluation_stream("val"))

    def test_dataloader(self) -> DataLoader[Episode]:
        return self.evaluation_loader(self.evaluation_stream("test"))

    def evaluation_loader(self, episodes: Dataset[Episode]) -> DataLoader[Episode]:
        """A loader of whole episodes, in their order."""
        return DataLoader(episodes, batch_size=None, pin_memory=self.pin_memory)


def _episode_parts(episode: Episode) -> Iterable[str | memoryview]:
    """The tensors of an episode for a digest."""
    for field in fields(episode):
        value = getattr(episode, field.name)
        if isinstance(value, Tensor):
            yield from tensor_parts(field.name, value)
