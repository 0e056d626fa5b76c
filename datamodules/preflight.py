"""What is asked before anything slow is done: the callbacks about the fit, the module about tables.

A callback or a module takes part by having the methods of `ChecksRun` or `TakesTables`; it need
not inherit from them. What they refuse ends the run in one line, before a generator is fitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import lightning.pytorch as pl

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.backbone import BackboneGenerator
from lit_causalmix.tables import Encoder, Table
from lit_causalmix.tables.schema import Schema


@runtime_checkable
class ChecksRun(Protocol):
    """A callback that can refuse the settings of a fit."""

    def check_run(self, trainer: pl.Trainer) -> None:
        """Raises a `LitCausalMixError` for a fit that it cannot take part in."""


@runtime_checkable
class TakesTables(Protocol):
    """A module that fine-tunes a backbone on tables."""

    def check_table(self, train: Table, encoder: Encoder, episode_context: int) -> None:
        """Raises a `LitCausalMixError` for a table that the backbone does not take."""

    def context_limit(self) -> int | None:
        """Most context rows that the backbone takes; None where nothing limits them."""

    def plain_backbone(self) -> Backbone:
        """The backbone without anything that was added for training."""


@runtime_checkable
class LearnsTables(Protocol):
    """A module that goes by what the tables say of their columns."""

    def learn_tables(self, schemas: Sequence[Schema]) -> None:
        """Told of all tables, in the order of `Episode.table_id`."""


@runtime_checkable
class KnowsMemory(Protocol):
    """A module that foresees what steps take of memory."""

    def check_memory(self, trainer: pl.Trainer, shapes: Iterable[StepShape]) -> None:
        """Raises a `LitCausalMixError` for steps that memory has no room for, or cuts them."""

    def scored_context_limit(self) -> int | None:
        """Most context rows of validation, test and prediction; None where nothing limits them."""


def ask_callbacks(trainer: pl.Trainer | None) -> None:
    """Asks the callbacks of a fit whether they refuse it; every rank calls it, as `preflight`.

    Raises:
        LitCausalMixError: If one does.
    """
    if trainer is None or trainer.state.fn != "fit":
        return
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ChecksRun):
            callback.check_run(trainer)


def preflight(
    trainer: pl.Trainer | None,
    tables: Iterable[tuple[Table, Encoder]] = (),
    generators: Iterable[Generator] = (),
    episode_context: int = 0,
    shapes: Iterable[StepShape] = (),
) -> None:
    """Asks the module, which may refuse a run, and hands its backbone to generators that want one.

    Every rank calls it, in `prepare_data` and again in `setup`; the answers are the same each time.

    Args:
        trainer: None asks nobody.
        tables: Training splits with their encoders.
        generators: Are about to be fitted or found in the cache.
        episode_context: Context rows of the largest episode; 0 where that is not known.
        shapes: The largest steps of the run, as far as they are known.

    Raises:
        LitCausalMixError: If the module refuses, or the precision is none that the backbones
            compute in.
    """
    if trainer is None:
        return
    precision = str(getattr(trainer, "precision", "32-true"))
    if precision.endswith("-true") and precision != "32-true":
        raise ConfigurationError(
            "weights and tables are float32: trainer.precision is 32-true, bf16-mixed or 16-mixed, "
            f"got {precision}"
        )
    module = getattr(trainer, "lightning_module", None)
    tables = list(tables)
    if isinstance(module, TakesTables):
        for train, encoder in tables:
            module.check_table(train, encoder, episode_context)
        for generator in generators:
            if isinstance(generator, BackboneGenerator) and generator.wants_backbone:
                generator.use(module.plain_backbone())
    if isinstance(module, LearnsTables):
        module.learn_tables([train.schema for train, _ in tables])
    if isinstance(module, KnowsMemory):
        module.check_memory(trainer, shapes)


def context_limit(trainer: pl.Trainer | None) -> int | None:
    """Most context rows that a trainer's module takes; None where nothing limits them."""
    module = None if trainer is None else getattr(trainer, "lightning_module", None)
    return module.context_limit() if isinstance(module, TakesTables) else None


def scored_context_limit(trainer: pl.Trainer | None) -> int | None:
    """The same for rows that are scored or predicted, where memory may have less room."""
    module = None if trainer is None else getattr(trainer, "lightning_module", None)
    known = isinstance(module, KnowsMemory)
    return module.scored_context_limit() if known else context_limit(trainer)  # type: ignore[union-attr]
