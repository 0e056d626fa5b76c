"""The datamodule of one table: real rows mixed with synthetic ones, on the fly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import lightning.pytorch as pl
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from lit_causalmix.datamodules.loading import EpisodeLoader, EpisodeSampler
from lit_causalmix.datamodules.stream import EpisodeParts, EvaluationStream, MixtureStream
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.entries import seconds_spent
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.backbone import BackboneGenerator, HasBackbone
from lit_causalmix.generators.parts.cache import draw_or_load, fit_or_load
from lit_causalmix.generators.parts.confidence import ConfidentRows
from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.generators.parts.generated import GeneratedTable
from lit_causalmix.paths import cache_root
from lit_causalmix.tables import (
    Encoder,
    SplitSpec,
    Table,
    TableSpec,
    TableSplits,
    load_rows,
    load_splits,
)
from lit_causalmix.training.mixing import Placement, mixture_counts
from lit_causalmix.training.schedules import EpisodeSchedule


@runtime_checkable
class TableChecker(Protocol):
    """A module that can refuse a table before anything slow is done with it."""

    def check_table(self, train: Table, encoder: Encoder) -> None: ...


@runtime_checkable
class RunChecker(Protocol):
    """A callback that can refuse the settings of a fit before anything slow is done."""

    def check_run(self, trainer: pl.Trainer) -> None: ...


class CausalMixDataModule(pl.LightningDataModule):
    """Streams episodes of one table, with a tunable share of synthetic rows.

    It needs no trainer: call `prepare_data()` and `setup()`, then use the loaders or the streams
    in a loop of your own. An episode is a pure function of (seed, epoch, index).

    Args:
        table: The table: where it comes from, its target, its columns.
        split: How it is split; rows of equal features never straddle two parts.
        generator: Draws the synthetic rows; by default structural causal models
            (`SCMGenerator`). It is fitted on the training split alone, once, and cached.
        synthetic_ratio: Share of synthetic rows, 0 to 1, where they may stand. 0 is default
            fine-tuning, 1 is synthetic rows only.
        synthetic_size: Synthetic rows in all, as a multiple of the training rows; null draws fresh
            rows for every episode, which slow generators refuse.
        synthetic_in: Where synthetic rows may stand: context, query or both.
        episode_rows: Context and query rows of one training episode together; null takes as many
            as there are training rows.
        query_fraction: Share of an episode's rows that are query rows.
        max_query_rows: Most query rows in one episode, in training and evaluation.
        episodes_per_epoch: Training episodes (steps, on one device) between two validations.
        val_synthetic_rows: Synthetic rows that are scored beside the real validation rows, as
            `val/synthetic/…`, drawn apart from all training rows. They steer nothing unless the
            model's `selection` counts them.
        predict_source: Rows to predict: a CSV or Parquet path or a DataFrame; the target may be
            missing.
        seed: Source of all randomness of the streams and of the generator.
        num_workers: Worker processes of the loaders.
        pin_memory: Whether the loaders pin memory, for GPUs.
        cache_dir: Where fitted generators are kept; null takes the user's cache folder.
        progress: Whether discovery and fitting draw progress bars.

    Attributes:
        splits: The coded table, after `prepare_data` or `setup`.
        encoder: Fitted on the training split.
        train_stream: The training episodes, after `setup`.

    Raises:
        ConfigurationError: For a setting outside its range.
    """

    splits: TableSplits
    encoder: Encoder
    train_stream: MixtureStream

    def __init__(
        self,
        table: TableSpec,
        split: SplitSpec = SplitSpec(),  # noqa: B008  # frozen, and jsonargparse shows its defaults
        generator: Generator | None = None,
        synthetic_ratio: float = 0.5,
        synthetic_size: float | None = None,
        synthetic_in: Placement = "both",
        episode_rows: int | None = None,
        query_fraction: float = 0.2,
        max_query_rows: int = 1024,
        episodes_per_epoch: int = 10,
        val_synthetic_rows: int = 0,
        predict_source: str | Any | None = None,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        cache_dir: str | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__()
        mixture_counts(1, 1, synthetic_ratio, synthetic_in)
        _require(seed >= 0, f"seed must be an integer >= 0, got {seed}")
        _require(
            synthetic_size is None or synthetic_size >= 0,
            f"synthetic_size must be null or >= 0, got {synthetic_size}",
        )
        _require(
            synthetic_in in ("context", "query", "both"),
            f"synthetic_in must be context, query or both, got {synthetic_in!r}",
        )
        _require(0 < query_fraction < 1, f"query_fraction must lie in (0, 1), got {query_fraction}")
        for name, value in (
            ("episode_rows", episode_rows),
            ("max_query_rows", max_query_rows),
            ("episodes_per_epoch", episodes_per_epoch),
        ):
            _require(value is None or value >= 1, f"{name} must be >= 1, got {value}")
        _require(
            val_synthetic_rows >= 0, f"val_synthetic_rows must be >= 0, got {val_synthetic_rows}"
        )
        self.table = table
        self.split = split
        self.generator = generator
        self.synthetic_ratio = synthetic_ratio
        self.synthetic_size = synthetic_size
        self.synthetic_in: Placement = synthetic_in
        self.episode_rows = episode_rows
        self.query_fraction = query_fraction
        self.max_query_rows = max_query_rows
        self.episodes_per_epoch = episodes_per_epoch
        self.val_synthetic_rows = val_synthetic_rows
        self.predict_source = predict_source
        self.seed = seed
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.cache_dir = Path(cache_dir) if cache_dir is not None else cache_root() / "generators"
        self.progress = progress
        self._synthetic: SyntheticRows | None = None
        self._val_synthetic: EpisodeParts | None = None
        self._ratio_schedule: EpisodeSchedule | None = None
        self._entries: list[Path] = []

    @property
    def generator_seconds(self) -> float:
        """Processor time that the generator's fit and its kept rows took, whoever made them."""
        return sum(map(seconds_spent, self._entries))

    # -- facts about the tables -----------------------------------------------------------------

    @property
    def domains(self) -> tuple[str, ...]:
        """Domain labels of the tables; `Episode.domain_id` indexes them."""
        return (self.splits.train.domain,)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of the tables; `Episode.table_id` indexes them."""
        return (self.splits.train.name,)

    @property
    def is_classification(self) -> bool:
        return self.splits.train.schema.task.is_classification

    @property
    def method(self) -> str:
        """How training rows are mixed, in a few words for tables and titles."""
        if self.generator is None or self.synthetic_ratio == 0 or self.synthetic_size == 0:
            return "real rows only"
        name = type(self.generator).__name__.removesuffix("Generator")
        size = "" if self.synthetic_size is None else f", {self.synthetic_size:g}x rows"
        ratio = self._ratio_schedule or f"{self.synthetic_ratio:g}"
        return f"{name}, ratio {ratio}{size}"

    def evaluation_fingerprint(self, stage: Literal["val", "test"]) -> str:
        """SHA-256 over the context and the rows that a stage scores."""
        digest = hashlib.sha256(self.splits.train.fingerprint().encode())
        for part in self._evaluation_parts(stage):
            digest.update(np.ascontiguousarray(part.values).tobytes())
        return digest.hexdigest()

    @property
    def uses_synthetic_rows(self) -> bool:
        """Whether any synthetic row can be drawn, so that a generator has to be fitted."""
        return self.trains_on_synthetic_rows or self.val_synthetic_rows > 0

    @property
    def trains_on_synthetic_rows(self) -> bool:
        """Whether training episodes hold synthetic rows."""
        return self.synthetic_ratio > 0 and self.synthetic_size != 0

    def generated_tables(self) -> tuple[GeneratedTable, ...]:
        """The table with its synthetic rows, after `setup`; empty where none are drawn."""
        if self._synthetic is None:
            return ()
        return (GeneratedTable(self._synthetic, self.splits.train, self.splits.val),)

    # -- preparation ----------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Reads and checks the table, then fits the generator or finds it in the cache."""
        self._load_table()
        self._fit_generator()

    def setup(self, stage: str | None = None) -> None:
        """Builds the streams, all of them at any stage, as they are cheap."""
        self._load_table()
        self._fit_generator()
        train = self.splits.train
        synthetic = self._synthetic
        n_context, n_query = self._episode_sizes(len(train))
        self.train_stream = MixtureStream(
            train,
            self.encoder,
            synthetic if self.synthetic_size != 0 else None,
            ratio=self.synthetic_ratio,
            placement=self.synthetic_in,
            n_context=n_context,
            n_query=n_query,
            episodes_per_epoch=self.episodes_per_epoch,
            seed=self.seed,
        )
        if stage != "test":  # a test after a fit still says how it was trained
            self._ratio_schedule = None

    def schedule_ratio(self, schedule: EpisodeSchedule) -> None:
        """Lets the share of synthetic rows of the training episodes follow a schedule.

        Called after `setup`, before the first episode; the next `setup` ends it.
        """
        self.train_stream.follow(schedule)
        self._ratio_schedule = schedule

    def schedule_confidence(self, share: EpisodeSchedule) -> None:
        """Admits the synthetic rows of the training episodes by plausibility (`ConfidentRows`).

        Called after `setup`, before the first episode; the next `setup` ends it.
        """
        if self._synthetic is None:
            raise ConfigurationError("there are no synthetic rows to choose from")
        train = self.splits.train
        examples = self._rows_apart(self._synthetic, len(train), "confidence")
        self.train_stream.synthetic = ConfidentRows(
            self._synthetic, train, examples, share=share, seed=self.seed
        )

    def _evaluation_parts(self, stage: Literal["val", "test"]) -> list[EpisodeParts]:
        split = self.splits.val if stage == "val" else self.splits.test
        if not len(split):
            raise ConfigurationError(
                f"the table has no {stage} rows: set data.split.{stage}_fraction above 0, or mark "
                f"rows as {stage} in the split column"
            )
        real = EpisodeParts.of(split)
        if stage == "test":
            return [real]
        return [real] if self._val_synthetic is None else [real, self._val_synthetic]

    def _load_table(self) -> None:
        if self.trainer is not None and self.trainer.state.fn == "fit":
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, RunChecker):
                    callback.check_run(self.trainer)
        if not hasattr(self, "splits"):
            splits = load_splits(self.table, self.split)
            self.encoder = Encoder.fit(splits.train)
            self.splits = splits
        module = getattr(self.trainer, "lightning_module", None)
        if isinstance(module, TableChecker):
            module.check_table(self.splits.train, self.encoder)

    def _fit_generator(self) -> None:
        if not self.uses_synthetic_rows or self._synthetic is not None:
            return
        if self.generator is None:
            from lit_causalmix.generators.scm import SCMGenerator

            self.generator = SCMGenerator()
        self.generator.progress = self.progress
        module = getattr(self.trainer, "lightning_module", None)
        if isinstance(self.generator, BackboneGenerator) and isinstance(module, HasBackbone):
            self.generator.use(module.plain_backbone())
        pool = None
        if self.synthetic_size:
            pool = max(1, round(self.synthetic_size * len(self.splits.train)))
        # Made first, because it refuses a pool that does not suit the generator.
        synthetic = SyntheticRows(
            self.generator, n_classes=self.encoder.n_classes, seed=self.seed, pool_size=pool
        )
        entry = fit_or_load(
            self.generator,
            self.splits.train,
            seed=self.seed,
            root=self.cache_dir,
            progress=self.progress,
        )
        self._entries = [entry]
        if self.generator.slow:
            # Drawn on the rank that prepares the data; the others find it in the cache.
            kept = entry.with_name(f"{entry.name}-pool-{pool}")
            synthetic.keep(kept)
            self._entries.append(kept)
        if self.val_synthetic_rows:
            rows = self._rows_apart(synthetic, self.val_synthetic_rows, "validation")
            self._val_synthetic = EpisodeParts.synthetic(rows)
        self._synthetic = synthetic

    def _rows_apart(self, synthetic: SyntheticRows, n: int, use: str) -> NDArray[np.float64]:
        """Synthetic rows for another use than training, never from the pool that is trained on."""
        if not synthetic.generator.slow:
            return synthetic.fresh(n, use)
        entry = self._entries[0]
        kept = entry.with_name(f"{entry.name}-{use}-{n}")
        return draw_or_load(lambda: synthetic.fresh(n, use), kept)

    def _episode_sizes(self, n_train: int) -> tuple[int, int]:
        total = self.episode_rows or n_train
        n_query = min(self.max_query_rows, max(1, round(self.query_fraction * total)))
        n_context = total - n_query
        smallest = max(1, self.encoder.n_classes)
        if n_context < smallest:
            raise ConfigurationError(
                f"an episode of {total} rows leaves {n_context} for the context, which needs at "
                f"least {smallest} (one per class): raise episode_rows or lower query_fraction"
            )
        return n_context, n_query

    # -- loaders --------------------------------------------------------------------------------

    def train_dataloader(self) -> EpisodeLoader[Episode]:
        world_size, rank = self._ranks()
        sampler = EpisodeSampler(self.train_stream, world_size=world_size, rank=rank)
        return EpisodeLoader(
            self.train_stream, sampler, num_workers=self.num_workers, pin_memory=self.pin_memory
        )

    def val_dataloader(self) -> DataLoader[Episode]:
        return self._evaluation_loader(self._evaluation_parts("val"))

    def test_dataloader(self) -> DataLoader[Episode]:
        return self._evaluation_loader(self._evaluation_parts("test"))

    def predict_dataloader(self) -> DataLoader[Episode]:
        if self.predict_source is None:
            raise ConfigurationError(
                "nothing to predict: set data.predict_source to a CSV or Parquet file"
            )
        rows = load_rows(self.predict_source, self.splits.train, self.table)
        return self._evaluation_loader([EpisodeParts.of(rows)])

    def _ranks(self) -> tuple[int, int]:
        # From the trainer: inside a worker torch.distributed knows nothing of the ranks.
        if self.trainer is None:
            return 1, 0
        return self.trainer.world_size, self.trainer.global_rank

    def _evaluation_loader(self, parts: list[EpisodeParts]) -> DataLoader[Episode]:
        stream = EvaluationStream(
            self.splits.train,
            parts,
            self.encoder,
            n_query=self.max_query_rows,
            world_size=self._ranks()[0],
        )
        return DataLoader(stream, batch_size=None, pin_memory=self.pin_memory)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)
