"""The datamodule of one table, split and encoded, without what it is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch.utils.data import DataLoader

from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.datamodules.belonging import TableBound
from lit_causalmix.datamodules.context import (
    ContextRule,
    ContextSelection,
    final_context,
    selecting_context,
)
from lit_causalmix.datamodules.preflight import scored_context_limit
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.files.digests import array_bytes, of_parts
from lit_causalmix.tables import (
    Encoder,
    Fold,
    SplitSpec,
    Table,
    TableSpec,
    TableSplits,
    load_rows,
    load_splits,
)
from lit_causalmix.tables.episodes import EpisodeParts, EvaluationStream
from lit_causalmix.tables.load import read_labelled
from lit_causalmix.training.scoreboard import Stage


class TableDataModule(TableBound, EpisodeDataModule[Episode]):
    """Reads one table, and scores its rows with real rows as context.

    Validation rows, which select, are scored with all training rows as context. Test rows and rows
    to predict have the validation rows in their context, too, unless `context` says otherwise: no
    label is wasted. Zero-shot is scored in the same way as fine-tuned weights. A subclass builds
    the training stream.

    Attributes:
        table: Where the table comes from.
        split: How it is split.
        max_query_rows: Most query rows in one episode.
        folds: How many folds the training and validation rows are cut into; 1 is one split.
        fold: Which of them validates.
        predict_source: Rows to predict: a CSV or Parquet path or a DataFrame.
        context: The context at test and prediction.
        context_selection: Which rows are the context where the model takes fewer than there are.
        seed: Chooses rows where the context has no room for all of them.
        splits: The coded table, after `prepare_data` or `setup`.
        encoder: Fitted on the training split.
    """

    table: TableSpec
    split: SplitSpec
    max_query_rows: int
    folds: int = 1
    fold: int = 0
    predict_source: str | Any | None = None
    context: ContextRule = "both"
    context_selection: ContextSelection = "stratified"
    seed: int = 0
    splits: TableSplits
    encoder: Encoder

    @property
    def domains(self) -> tuple[str, ...]:
        return (self.splits.train.domain,)

    @property
    def table_names(self) -> tuple[str, ...]:
        return (self.splits.train.name,)

    @property
    def is_classification(self) -> bool:
        return self.splits.train.schema.task.is_classification

    @property
    def reading(self) -> TableSpec:
        """How new rows are read: as the table, less the columns without a cell in training."""
        return replace(self.table, drop=[*self.table.drop, *self.splits.left_out])

    def read(self) -> None:
        """Reads and checks the table."""
        if not hasattr(self, "splits"):
            fold = None if self.folds == 1 else Fold(self.fold, self.folds)
            splits = load_splits(self.table, self.split, self.stored, fold)
            self.check_stored(splits)
            self.encoder = Encoder.fit(splits.train)
            self.splits = splits
            self._contexts: dict[tuple[Stage, int | None], Table] = {}

    def check_folds(self) -> None:
        """Reads every fold but this one, so that the fits of none meet rows that cannot be used.

        Raises:
            TableError: With the fold.
        """
        if self.folds == 1:
            return
        rows = read_labelled(self.table, self.split, self.stored)
        for number in range(self.folds):
            if number == self.fold:
                continue
            try:
                Encoder.fit(rows.splits(Fold(number, self.folds)).train)
            except TableError as error:
                raise TableError(f"fold {number} of {self.folds}: {error}") from error

    def forget_table(self) -> None:
        """Lets the next `setup` read the table again."""
        del self.splits

    def training_tables(self) -> list[tuple[Table, Encoder]]:
        return [(self.splits.train, self.encoder)]

    def largest_steps(self) -> Iterator[StepShape]:
        """Those of the rows to score; a fit of the command line tests, too."""
        command = self._command()
        train, val, test = (len(p) for p in (self.splits.train, self.splits.val, self.splits.test))
        both = train + (val if self.context == "both" else 0)
        if command in ("fit", "validate"):
            yield from self._scored("validation", train, val)
        if command in ("fit", "test"):
            yield from self._scored("a test", both, test)
        if command == "predict":  # of rows that are not read yet: one at least
            yield from self._scored("prediction", both, 1)

    def _scored(self, name: str, n_context: int, n_query: int) -> Iterator[StepShape]:
        if n_query:
            limit = scored_context_limit(self.trainer)
            yield self.step_shape(
                name,
                n_context if limit is None else min(n_context, limit),
                min(n_query, self.max_query_rows),
                training=False,
                encoded=n_query > self.max_query_rows and self.context_selection != "nearest",
            )

    def step_shape(
        self, name: str, n_context: int, n_query: int, *, training: bool, encoded: bool = False
    ) -> StepShape:
        """The shape of an episode of this table."""
        return StepShape(
            n_context,
            n_query,
            columns=len(self.encoder.columns),
            n_classes=self.encoder.n_classes,
            training=training,
            encoded=encoded,
            name=name,
        )

    # -- rows to score --------------------------------------------------------------------------

    def check_rows(self) -> None:
        """Refuses a split without rows to select by.

        Raises:
            ConfigurationError: With the setting that gives some.
        """
        validates = self.trainer is not None and self.trainer.limit_val_batches != 0
        if validates and self._command() in ("fit", "validate"):
            self._rows_of("val")

    def evaluation_parts(self, stage: Stage) -> list[EpisodeParts]:
        """The rows that a stage scores, each part in episodes of its own.

        Raises:
            ConfigurationError: If the split has none.
        """
        return [EpisodeParts.of(self._rows_of(stage))]

    def _rows_of(self, stage: Stage) -> Table:
        split = self.splits.val if stage == "val" else self.splits.test
        if not len(split):
            raise ConfigurationError(
                f"the table has no {stage} rows: set data.split.{stage}_fraction above 0, or mark "
                f"rows as {stage} in the split column"
            )
        return split

    def context_table(self, stage: Stage) -> Table:
        """The rows that a stage has in its context; "test" stands for prediction, too.

        The validation rows select, so they are scored with the training rows alone.
        """
        limit = scored_context_limit(self.trainer)
        if (stage, limit) not in self._contexts:
            self._contexts[stage, limit] = self._context(stage, limit)
        return self._contexts[stage, limit]

    def _context(self, stage: Stage, limit: int | None) -> Table:
        how: ContextSelection = self.context_selection
        if stage == "val":
            return selecting_context(self.splits.train, limit=limit, seed=self.seed, selection=how)
        train, val = self.context_table("val"), self.splits.val
        return final_context(train, val, self.context, limit=limit, seed=self.seed, selection=how)

    def nearest_context(self) -> int | None:
        """Context rows that each episode chooses for its query rows; None where all have all."""
        return scored_context_limit(self.trainer) if self.context_selection == "nearest" else None

    @property
    def has_test_rows(self) -> bool:
        return len(self.splits.test) > 0

    def context_of(self, stage: Stage) -> str:
        n_train = len(self.context_table("val"))
        n_val = len(self.context_table(stage)) - n_train
        both = f"{n_train} training and {n_val} validation rows"
        words = both if n_val else f"{n_train} training rows"
        most = self.nearest_context()
        chosen = most is not None and most < n_train + n_val
        return f"the {most} nearest of {words}" if chosen else words

    def run_facts(self) -> dict[str, object]:
        folds = {} if self.folds == 1 else {"folds": self.folds, "fold": self.fold}
        return {**super().run_facts(), "context": self.context, **folds}

    def evaluation_stream(self, stage: Stage) -> EvaluationStream:
        return self._stream_of(self.evaluation_parts(stage), stage)

    def evaluation_fingerprint(self, stage: Stage) -> str:
        # Not over the episodes, which are cut and padded after the number of ranks.
        values = (array_bytes(part.values) for part in self.evaluation_parts(stage))
        most = self.nearest_context()
        chosen = [] if most is None else [f"nearest {most}"]
        return of_parts([self.context_table(stage).fingerprint(), *chosen, *values])

    def predict_dataloader(self) -> DataLoader[Episode]:
        if self.predict_source is None:
            raise ConfigurationError(
                "nothing to predict: set data.predict_source to a CSV or Parquet file"
            )
        rows = load_rows(self.predict_source, self.splits.train, self.reading)
        return self.evaluation_loader(self._stream_of([EpisodeParts.of(rows)], "test"))

    def _stream_of(self, parts: list[EpisodeParts], stage: Stage) -> EvaluationStream:
        return EvaluationStream(
            self.context_table(stage),
            parts,
            self.encoder,
            n_query=self.max_query_rows,
            nearest=self.nearest_context(),
            world_size=self.ranks[0],
        )
