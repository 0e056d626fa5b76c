"""How many steps all folds take, and whether they leave zero-shot at all: by pooled predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lit_causalmix.ensembles.held_out import HeldOut
from lit_causalmix.ensembles.predictions import Predicted, row_losses, scored
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import MetricSpec, Score
from lit_causalmix.training.scoreboard import Validation
from lit_causalmix.training.selection import Selection


@dataclass(frozen=True)
class Choice:
    """The step that all members of an ensemble take.

    Attributes:
        step: Optimiser steps; 0 is zero-shot.
        score: Its value of what the selection minimises, over the pooled predictions.
        rule: What selected it, in words.
        history: Pooled scores at every step that all folds were validated at, zero-shot first.
    """

    step: int
    score: float
    rule: str
    history: tuple[Validation, ...]

    @property
    def scores(self) -> Mapping[str, Score]:
        """Pooled scores of the chosen step, "domain/metric" → score."""
        return next(entry.scores for entry in self.history if entry.step == self.step)


def pooled(folds: Sequence[HeldOut], step: int) -> Predicted:
    """What the folds predict after a step, each for its own rows, one behind the other."""
    return Predicted.joined([fold.moments[step] for fold in folds])


def choose(
    folds: Sequence[HeldOut],
    selection: Selection,
    *,
    classification: bool,
    further: Sequence[MetricSpec] = (),
) -> Choice:
    """Chooses one step for all folds, as a fit chooses among its own validations.

    Zero-shot is the first candidate, and the selection's bar holds for the pooled scores. The
    candidates are the steps at which every fold was validated: one that ended early, for a limit
    of time say, limits all.

    Args:
        folds: All folds, in their order.
        selection: The rule.
        classification: Whether targets are classes.
        further: Metrics beside those of the package.

    Raises:
        ConfigurationError: If the folds lack the zero-shot predictions, or rows that count.
    """
    common = sorted(set.intersection(*(set(fold.steps) for fold in folds)))
    if not common or common[0] != 0:
        raise ConfigurationError("every fold needs its zero-shot predictions, some fold has none")
    history = tuple(
        Validation(
            step, scored(pooled(folds, step), classification=classification, further=further)
        )
        for step in common
    )
    zero_shot = history[0].scores
    chosen, score = 0, selection.loss(zero_shot, classification)
    bar = selection.bar(zero_shot, classification)
    bar = math.inf if math.isnan(bar) else bar
    for entry in history[1:]:
        loss = selection.loss(entry.scores, classification)
        if selection.improves(loss, bar):
            chosen, score, bar = entry.step, loss, loss
    return Choice(chosen, score, selection.title, history)


def standard_errors(before: Predicted, after: Predicted, *, classification: bool) -> float:
    """How sure the gain of predictions over others is.

    Args:
        before: Predictions for some rows.
        after: Others for the same rows.
        classification: Whether they are probabilities.

    Returns:
        The mean over the rows of how much their log-loss or squared error falls, in standard errors
        of that mean; negative for a loss, infinite where all rows gain alike.
    """
    old, new = (row_losses(rows, classification=classification) for rows in (before, after))
    gains = old - new
    if len(gains) < 2:
        return 0.0
    ratio = gains.mean() / gains.std() * math.sqrt(len(gains))
    return 0.0 if ratio.isnan() else float(ratio)
