"""The datamodule of one table: real rows mixed with synthetic ones, on the fly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lit_causalmix.datamodules.checks import check_choices, check_least
from lit_causalmix.datamodules.class_balance import ClassBalance
from lit_causalmix.datamodules.context import ContextRule, ContextSelection
from lit_causalmix.datamodules.mixed_episodes import MixedEpisodes
from lit_causalmix.datamodules.stream import MixtureStream
from lit_causalmix.datamodules.synthetic import SyntheticSource
from lit_causalmix.deadlines import OutOfTimeError, until
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.generated import GeneratedTable
from lit_causalmix.paths import cache_root
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.tables.episodes import EpisodeParts
from lit_causalmix.training.mixing import (
    EpisodeClasses,
    Mode,
    Placement,
    SyntheticClasses,
    mixture_counts,
)
from lit_causalmix.training.schedules import EpisodeSchedule
from lit_causalmix.training.scoreboard import Stage


class CausalMixDataModule(MixedEpisodes):
    """Streams episodes of one table, with a tunable share of synthetic rows.

    It needs no trainer: call `prepare_data()` and `setup()`, then loop over loaders or streams. An
    episode is a pure function of (seed, epoch, index).

    Args:
        table: The table: where it comes from, its target, its columns.
        split: How it is split; rows of equal features never straddle two parts.
        generator: Draws the synthetic rows; by default structural causal models
            (`SCMGenerator`). It is fitted on the training split alone, once, and cached.
        synthetic_ratio: Share of synthetic rows where they may stand; 0 is default fine-tuning.
        synthetic_size: Synthetic rows in all, as a multiple of the training rows; null draws fresh
            rows for every episode, which slow generators refuse.
        synthetic_in: Where synthetic rows may stand: context, query or both.
        synthetic_mode: "replace": synthetic rows take the place of real ones, and an episode costs
            the same at every ratio. "add": the real rows of an episode stay, synthetic ones come
            on top, so many that their share is the ratio; the step costs more.
        synthetic_classes: "balanced": synthetic rows have each class in equal numbers, from a
            generator that can (`SCMGenerator`); "drawn": as they come.
        episode_rows: Context and query rows of one training episode together, with "add" the real
            ones; null takes as many as there are training rows.
        query_fraction: Share of an episode's rows that are query rows.
        max_query_rows: Most query rows in one episode; with "add" the real ones in training.
        episode_classes: Real rows' classes: "stratified" as in the table, "balanced_query" equal in
            the query, as far as half of a class's rows go, "balanced" in the context, too.
        episodes_per_epoch: Training episodes (steps, on one device) between two validations.
        val_synthetic_rows: Synthetic rows that are scored beside the real validation rows, as
            `val/synthetic/…`, drawn apart from all training rows. They steer nothing unless the
            model's `selection` counts them.
        folds: Cuts the training and validation rows into so many folds, groups and identical rows
            together; 1 is one split. `fit` makes one fit for each (`lit_causalmix.ensembles`).
        fold: Which of them validates here, from 0.
        context: Real rows in the context at test and prediction, of zero-shot and fine-tuned
            weights alike: both (training and validation rows) or train. Validation rows, which
            select the weights, always have the training rows alone as context.
        context_selection: Rows of these contexts where the model takes fewer: stratified, random,
            balanced (over classes) or nearest (to the query rows, 64 at most in an episode).
        predict_source: Rows to predict: a CSV or Parquet path or a DataFrame, target or not.
        seed: Source of all randomness of the streams and of the generator.
        num_workers: Worker processes of the loaders.
        pin_memory: Whether the loaders pin memory, for GPUs.
        cache_dir: Where fitted generators are kept; null: the user's cache folder.
        progress: Whether discovery and fitting draw progress bars.

    Attributes:
        train_stream: The training episodes, after `setup`.

    Raises:
        ConfigurationError: For a setting out of range.
    """

    train_stream: MixtureStream

    def __init__(
        self,
        table: TableSpec,
        split: SplitSpec = SplitSpec(),  # noqa: B008  # frozen, and jsonargparse shows its defaults
        generator: Generator | None = None,
        synthetic_ratio: float = 0.5,
        synthetic_size: float | None = None,
        synthetic_in: Placement = "both",
        synthetic_mode: Mode = "replace",
        synthetic_classes: SyntheticClasses = "drawn",
        episode_rows: int | None = None,
        query_fraction: float = 0.2,
        max_query_rows: int = 1024,
        episode_classes: EpisodeClasses = "stratified",
        episodes_per_epoch: int = 10,
        val_synthetic_rows: int = 0,
        folds: int = 1,
        fold: int = 0,
        context: ContextRule = "both",
        context_selection: ContextSelection = "stratified",
        predict_source: str | Any | None = None,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        cache_dir: str | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__()
        check_choices(context=(context, ContextRule), synthetic_mode=(synthetic_mode, Mode))
        chosen = (context_selection, ContextSelection)
        check_choices(context_selection=chosen, synthetic_in=(synthetic_in, Placement))
        mixture_counts(1, 1, synthetic_ratio, synthetic_in, synthetic_mode)
        if not 0 < query_fraction < 1:
            raise ConfigurationError(f"query_fraction must lie in (0, 1), got {query_fraction}")
        check_least(0, val_synthetic_rows=val_synthetic_rows)
        check_least(0, "an integer", seed=seed)
        check_least(1, folds=folds)
        check_least(0, "null or", synthetic_size=synthetic_size)
        check_least(1, "null or", episode_rows=episode_rows)
        check_least(1, max_query_rows=max_query_rows, episodes_per_epoch=episodes_per_epoch)
        if not 0 <= fold < folds:
            raise ConfigurationError(f"fold is one of 0 to folds - 1, got {fold} of {folds}")
        self.table = table
        self.split = split
        self.folds = folds
        self.fold = fold
        self.generator = generator
        self.synthetic_ratio = synthetic_ratio
        self.synthetic_size = synthetic_size
        self.synthetic_in: Placement = synthetic_in
        self.synthetic_mode: Mode = synthetic_mode
        self.episode_rows = episode_rows
        self.query_fraction = query_fraction
        self.max_query_rows = max_query_rows
        self.balance = ClassBalance(episode_classes, synthetic_classes)
        self.episodes_per_epoch = episodes_per_epoch
        self.val_synthetic_rows = val_synthetic_rows
        self.context: ContextRule = context
        self.context_selection: ContextSelection = context_selection
        self.predict_source = predict_source
        self.seed = seed
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.cache_dir = Path(cache_dir or cache_root() / "generators").expanduser()
        self.progress = progress
        self.synthetic: SyntheticSource | None = None
        self._synthetic_to_score: list[EpisodeParts] = []
        self._ratio_schedule: EpisodeSchedule | None = None

    # -- facts ----------------------------------------------------------------------------------

    @property
    def epoch_length(self) -> int:
        return self.episodes_per_epoch

    @property
    def method(self) -> str:
        balance = self.balance.words(draws=self.trains_on_synthetic_rows)
        if not self.trains_on_synthetic_rows:
            return f"real rows only{balance}"
        name = type(self.generators()[0]).__name__.removesuffix("Generator")
        size = "" if self.synthetic_size is None else f", {self.synthetic_size:g}x rows"
        added = ", added" if self.synthetic_mode == "add" else ""
        ratio = self._ratio_schedule or f"{self.synthetic_ratio:g}"
        return f"{name}, ratio {ratio}{size}{added}{balance}"

    @property
    def uses_synthetic_rows(self) -> bool:
        """Whether any synthetic row can be drawn, so that a generator has to be fitted."""
        return self.trains_on_synthetic_rows or self.val_synthetic_rows > 0

    @property
    def trains_on_synthetic_rows(self) -> bool:
        return self.synthetic_ratio > 0 and self.synthetic_size != 0 and not self.given_up

    @property
    def can_train(self) -> bool:
        """Whether training episodes can be drawn: a generator is made for those who use it."""
        return self.synthetic is not None or not self.trains_on_synthetic_rows

    @property
    def generator_seconds(self) -> float:
        """Processor time that the generator's fit and its kept rows took, whoever made them."""
        return 0.0 if self.synthetic is None else self.synthetic.seconds

    def generated_tables(self) -> tuple[GeneratedTable, ...]:
        if self.synthetic is None:
            return ()
        return (GeneratedTable(self.synthetic.rows, self.splits.train, self.splits.val),)

    # -- preparation ----------------------------------------------------------------------------

    def read(self) -> None:
        super().read()
        self.balance.check(self.splits.train.schema)

    def generators(self) -> list[Generator]:
        if not self.uses_synthetic_rows:
            return []
        if self.generator is None:
            from lit_causalmix.generators.scm import SCMGenerator

            self.generator = SCMGenerator()
        return [self.generator]

    def make(self) -> None:
        """Fits the generator or finds it in the cache, and draws the rows that are drawn once.

        Test and prediction have real rows alone, and so has a validation unless it scores others.
        """
        command = self._command()
        used = command == "fit" or (command == "validate" and self.val_synthetic_rows > 0)
        if self.synthetic is not None or self.given_up or not used:
            return
        try:
            with until(self.deadline):
                self._make_synthetic()
        except OutOfTimeError as error:
            if self.deadline is None:  # the time of what this fit is a part of
                raise
            if self.val_synthetic_rows:
                raise GeneratorError(
                    "the generator was not fitted in time, and its rows are to be scored: give "
                    "more time, or set val_synthetic_rows to 0"
                ) from error
            self.given_up = "there are real rows alone, as the generator was not fitted"

    def _make_synthetic(self) -> None:
        for generator in self.generators():
            self.synthetic = SyntheticSource(
                generator,
                self.splits.train,
                n_classes=self.encoder.n_classes,
                size=self.synthetic_size,
                seed=self.seed,
                cache_dir=self.cache_dir,
                progress=self.progress,
                balanced=self.balance.draws,
            )
            if self.val_synthetic_rows:
                self._synthetic_to_score = [self.synthetic.to_score(self.val_synthetic_rows)]

    def forget_table(self) -> None:
        super().forget_table()
        self.synthetic, self.given_up, self._synthetic_to_score = None, "", []

    def build(self, stage: str | None) -> None:
        """Builds the training stream, at any stage, as it is cheap, where its rows are there."""
        if not self.can_train:
            return
        n_context, n_query = self.training_sizes()
        source = self.synthetic if self.synthetic_size != 0 else None
        self.train_stream = MixtureStream(
            self.splits.train,
            self.encoder,
            None if source is None else source.rows,
            ratio=self._wanted[0],
            placement=self.synthetic_in,
            mode=self.synthetic_mode,
            classes=self.balance.episode,
            n_context=n_context,
            n_query=n_query,
            episodes_per_epoch=self.episodes_per_epoch,
            seed=self.seed,
        )
        if stage != "test":  # a test after a fit still says how it was trained
            self._ratio_schedule = None

    def schedule_ratio(self, schedule: EpisodeSchedule) -> None:
        if not self.given_up:
            self.train_stream.follow(schedule)
            self._ratio_schedule = schedule

    def schedule_confidence(self, share: EpisodeSchedule) -> None:
        if self.synthetic is not None:
            self.train_stream.synthetic = self.synthetic.by_confidence(share)
        elif not self.given_up:
            super().schedule_confidence(share)

    def evaluation_parts(self, stage: Stage) -> list[EpisodeParts]:
        synthetic = self._synthetic_to_score if stage == "val" else []
        return [*super().evaluation_parts(stage), *synthetic]
