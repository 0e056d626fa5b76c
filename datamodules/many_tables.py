"""The datamodule of several tables: one model learns from all of them, on the fly."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from torch.utils.data import DataLoader

from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.datamodules.causal_mix import CausalMixDataModule
from lit_causalmix.datamodules.chained import ChainedStream, TablesStream
from lit_causalmix.datamodules.checks import check_together
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_parts
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.generated import GeneratedTable
from lit_causalmix.tables import Encoder, SplitSpec, Table, TableSpec
from lit_causalmix.training.mixing import Mode, Placement
from lit_causalmix.training.schedules import EpisodeSchedule
from lit_causalmix.training.scoreboard import Stage

_log = logging.getLogger(__name__)


class ManyTablesDataModule(EpisodeDataModule[Episode]):
    """Streams the episodes of several tables, each with its own split, encoder and generator.

    An episode is of one table, drawn by weight, and a pure function of (seed, epoch, index). Scores
    are means over the tables of a domain, each table counting once; errors of numbers are in
    standard deviations of their table's training targets. So a table with a domain of its own is
    scored by itself, too. The tables have one kind of task; their classes and columns may differ.
    `PretrainedFolder` writes the one model that comes out, for a backbone to start from elsewhere.

    Args:
        tables: The tables, of different names.
        weights: How often each is drawn, in proportion; null draws them equally often.
        split: How each is split.
        generator: Draws the synthetic rows, a copy of it for each table; by default structural
            causal models (`SCMGenerator`).
        synthetic_ratio: As in `CausalMixDataModule`, and so are the following.
        synthetic_size: Synthetic rows of each table, as a multiple of its training rows.
        synthetic_in: Where synthetic rows may stand.
        synthetic_mode: "replace" or "add".
        episode_rows: Context and query rows of one training episode; null takes as many as its
            table has training rows. Tables with fewer rows have smaller episodes.
        query_fraction: Share of an episode's rows that are query rows.
        max_query_rows: Most query rows in one episode.
        episodes_per_epoch: Training episodes, of all tables together, between two validations.
        seed: Source of all randomness.
        num_workers: Worker processes of the loaders.
        pin_memory: Whether the loaders pin memory, for GPUs.
        cache_dir: Where fitted generators are kept; null takes the user's cache folder.
        progress: Whether discovery and fitting draw progress bars.

    Attributes:
        members: The datamodule of each table.

    Raises:
        ConfigurationError: For settings that do not go together.

    Example:
        >>> data = ManyTablesDataModule(
        ...     [TableSpec("sklearn:wine"), TableSpec("sklearn:iris")],
        ...     weights=[3.0, 1.0],
        ...     synthetic_ratio=0.0,
        ... )
        >>> data.setup()
        >>> data.table_names
        ('wine', 'iris')
        >>> [data.train_stream.table_at(0, index) for index in range(6)]
        [1, 0, 0, 0, 0, 0]
    """

    train_stream: TablesStream

    def __init__(
        self,
        tables: list[TableSpec],
        weights: list[float] | None = None,
        split: SplitSpec = SplitSpec(),  # noqa: B008  # frozen, and jsonargparse shows its defaults
        generator: Generator | None = None,
        synthetic_ratio: float = 0.5,
        synthetic_size: float | None = None,
        synthetic_in: Placement = "both",
        synthetic_mode: Mode = "replace",
        episode_rows: int | None = None,
        query_fraction: float = 0.2,
        max_query_rows: int = 1024,
        episodes_per_epoch: int = 10,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        cache_dir: str | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__()
        weights = [1.0] * len(tables) if weights is None else weights
        if not tables:
            raise ConfigurationError("tables must name at least one table, got none")
        if len(weights) != len(tables) or not all(0 < w < math.inf for w in weights):
            raise ConfigurationError(
                f"weights must be one number > 0 for each of the {len(tables)} tables, "
                f"got {weights}"
            )
        self.weights = weights
        self.episodes_per_epoch = episodes_per_epoch
        self.episode_rows = episode_rows
        self.seed = seed
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.members = [
            CausalMixDataModule(
                table,
                split,
                copy.deepcopy(generator),
                synthetic_ratio=synthetic_ratio,
                synthetic_size=synthetic_size,
                synthetic_in=synthetic_in,
                synthetic_mode=synthetic_mode,
                episode_rows=episode_rows,
                query_fraction=query_fraction,
                max_query_rows=max_query_rows,
                episodes_per_epoch=episodes_per_epoch,
                seed=seed,
                cache_dir=cache_dir,
                progress=progress,
            )
            for table in tables
        ]

    # -- facts ----------------------------------------------------------------------------------

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(member.table_names[0] for member in self.members)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(member.domains[0] for member in self.members))

    @property
    def n_tables(self) -> int:
        return len(self.members)

    @property
    def is_classification(self) -> bool:
        return self.members[0].is_classification

    @property
    def epoch_length(self) -> int:
        return self.episodes_per_epoch

    @property
    def method(self) -> str:
        methods = dict.fromkeys(member.method for member in self.members)
        return "; ".join([f"{len(self.members)} tables", *methods])

    def context_of(self, stage: Stage) -> str:
        return "; ".join(
            f"{m.table_names[0]}: {m.context_of(stage) if scored else 'no test rows'}"
            for m, scored in self._scored(stage)
        )

    @property
    def has_test_rows(self) -> bool:
        return any(member.has_test_rows for member in self.members)

    def run_facts(self) -> dict[str, object]:
        return {"tables": [member.run_facts() for member in self.members]}

    # -- preparation ----------------------------------------------------------------------------

    def read(self) -> None:
        """Reads and checks every table.

        Raises:
            TableError: If their names are not different, or their tasks of different kinds.
        """
        for member in self.members:
            member.trainer = self.trainer
            member.read()
            if self.episode_rows is not None:
                member.episode_rows = min(self.episode_rows, len(member.splits.train))
        check_together(self.table_names, [m.is_classification for m in self.members])

    def training_tables(self) -> Iterable[tuple[Table, Encoder]]:
        return chain.from_iterable(member.training_tables() for member in self.members)

    def generators(self) -> Iterable[Generator]:
        return chain.from_iterable(member.generators() for member in self.members)

    def largest_steps(self) -> Iterable[StepShape]:
        for member in self.members:
            for shape in member.largest_steps():
                yield replace(shape, name=f"{shape.name} of {member.table_names[0]}")

    @property
    def episode_context(self) -> int:
        return max(member.episode_context for member in self.members)

    def check_rows(self) -> None:
        for member in self.members:
            member.check_rows()

    def make(self) -> None:
        for member in self.members:
            member.deadline = self.deadline
            member.make()
        self.given_up = next((m.given_up for m in self.members if m.given_up), "")

    def limited(self) -> Sequence[EpisodeDataModule[Any]]:
        return (self, *self.members)

    def build(self, stage: str | None) -> None:
        for member in self.members:
            member.build(stage)
        if not all(member.can_train for member in self.members):
            return
        self.train_stream = TablesStream(
            [member.train_stream for member in self.members],
            self.weights,
            domain_ids=self._domain_ids(),
            episodes_per_epoch=self.episodes_per_epoch,
            seed=self.seed,
        )

    def _domain_ids(self) -> list[int]:
        return [self.domains.index(member.domains[0]) for member in self.members]

    # -- synthetic rows -------------------------------------------------------------------------

    @property
    def trains_on_synthetic_rows(self) -> bool:
        return any(member.trains_on_synthetic_rows for member in self.members)

    def generated_tables(self) -> Sequence[GeneratedTable]:
        return [table for member in self.members for table in member.generated_tables()]

    def foresee_ratios(self, ratios: tuple[float, float] | None) -> None:
        for member in self.members:
            member.foresee_ratios(ratios)

    def schedule_ratio(self, schedule: EpisodeSchedule) -> None:
        for member in self.members:
            member.schedule_ratio(schedule)

    def schedule_confidence(self, share: EpisodeSchedule) -> None:
        for member in self.members:
            member.schedule_confidence(share)

    # -- rows to score --------------------------------------------------------------------------

    def _scored(self, stage: Stage) -> list[tuple[CausalMixDataModule, bool]]:
        """Whether each table is scored: a test is of those with test rows, if there are any."""
        some = stage == "test" and self.has_test_rows
        return [(m, m.has_test_rows or not some) for m in self.members]

    def evaluation_stream(self, stage: Stage) -> ChainedStream:
        streams = [m.evaluation_stream(stage) if own else () for m, own in self._scored(stage)]
        return ChainedStream(streams, domain_ids=self._domain_ids())

    def evaluation_fingerprint(self, stage: Stage) -> str:
        return of_parts(m.evaluation_fingerprint(stage) for m, own in self._scored(stage) if own)

    def test_dataloader(self) -> DataLoader[Episode]:
        if untested := [m.table_names[0] for m, own in self._scored("test") if not own]:
            _log.warning("No test rows: %s; the test is of the other tables", ", ".join(untested))
        return super().test_dataloader()

    def predict_dataloader(self) -> DataLoader[Episode]:
        raise ConfigurationError("predictions are of one table: fit it from a PretrainedFolder")

    def state_dict(self) -> dict[str, Any]:
        """The identity of each table."""
        return {"tables": [member.state_dict() for member in self.members]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over the splits of a checkpoint.

        Raises:
            ConfigurationError: If the tables are not those that the checkpoint was made for.
        """
        stored = state_dict["tables"]
        if len(stored) != len(self.members):
            raise ConfigurationError(
                f"the checkpoint belongs to another fit: of {len(stored)} tables, "
                f"here are {len(self.members)}"
            )
        for member, state in zip(self.members, stored, strict=True):
            member.load_state_dict(state)
