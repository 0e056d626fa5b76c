"""What is compared, by what, and what a comparison of candidates led to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lit_causalmix.ensembles.choice import Choice, choose
from lit_causalmix.ensembles.held_out import HeldOut
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import MetricSpec, Score, normalized_scores
from lit_causalmix.training.scoreboard import Validation
from lit_causalmix.training.selection import Selection

ZERO_SHOT = "zero-shot"
"""The name of the candidate that is always there."""


@dataclass(frozen=True)
class AutoSettings:
    """What is compared, and how long.

    Attributes:
        candidates: Name → recipe: the name of a configuration, a list of them, or settings, laid
            over all others; null leaves one out that was listed before.
        first_folds: Folds of the first rung; every rung has about twice as many as the one before.
        time_limit: Seconds for all fits; what is returned then is the best so far. null: no limit.

    Raises:
        ConfigurationError: If there is no candidate, one is called as zero-shot is, or a number is
            out of range.

    Example:
        >>> AutoSettings({"default": "baselines/default", "jitter": None}).names
        ('default',)
    """

    candidates: dict[str, Any]
    first_folds: int = 2
    time_limit: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.candidates, Mapping) or not self.names:
            raise ConfigurationError(
                f"auto.candidates maps names to recipes, one at least, got {self.candidates!r}"
            )
        if ZERO_SHOT in self.names:
            raise ConfigurationError(f"{ZERO_SHOT} is always a candidate of auto: leave it out")
        if type(self.first_folds) is not int or self.first_folds < 1:
            raise ConfigurationError(f"auto.first_folds is at least 1, got {self.first_folds}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ConfigurationError(f"auto.time_limit lies above 0 s, got {self.time_limit}")

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates that are compared, in their order."""
        return tuple(name for name, recipe in self.candidates.items() if recipe is not None)


@dataclass(frozen=True)
class Rule:
    """By what candidates are compared.

    Attributes:
        selection: What is minimised, and the bar before zero-shot is left.
        classification: Whether targets are classes.
        further: Metrics beside those of the package.
    """

    selection: Selection
    classification: bool
    further: Sequence[MetricSpec] = ()

    def choice(self, folds: Sequence[HeldOut]) -> Choice:
        """The step of a candidate under the bar."""
        return choose(
            folds, self.selection, classification=self.classification, further=self.further
        )

    @property
    def metric(self) -> str:
        """What the loss is made of."""
        return self.selection.metric(self.classification)

    def loss(self, entry: Validation) -> float:
        """Its value of what is minimised; infinite where it is undefined."""
        loss = self.selection.loss(entry.scores, self.classification)
        return math.inf if math.isnan(loss) else loss


@dataclass(frozen=True)
class Standing:
    """How far a candidate came.

    Attributes:
        name: Of the candidate.
        fate: What became of it, in words.
        folds: How many it was scored on, 0 for none.
        start: Scores of zero-shot over these folds together; None where there are none.
        best: The validation with the lowest loss after zero-shot; None where there is none.
        loss: Its value of what the selection minimises, zero-shot's where there is none.
    """

    name: str
    fate: str
    folds: int = 0
    start: Validation | None = None
    best: Validation | None = None
    loss: float = math.inf

    @classmethod
    def of(cls, name: str, folds: Sequence[HeldOut], rule: Rule) -> Standing:
        """Scores a candidate; what becomes of it is open."""
        start, *others = rule.choice(folds).history
        best = min(others, key=rule.loss, default=None)
        return cls(name, "", len(folds), start, best, rule.loss(best or start))

    def to_json(self, metric: str) -> dict[str, Any]:
        """As it stands in `report.json` and in a model's record.

        Args:
            metric: Of the scores that are told.
        """
        key = f"real/{metric}"
        start, best = ({} if v is None else v.scores for v in (self.start, self.best))
        gain = normalized_scores(best, start).get(key, Score(math.nan))
        return {
            "candidate": self.name,
            "folds": self.folds,
            "step": None if self.best is None else self.best.step,
            "metric": metric,
            "zero_shot": _number(start.get(key)),
            "score": _number(best.get(key)),
            "gain": _number(gain),
            "fate": self.fate,
        }


@dataclass(frozen=True)
class Comparison:
    """What a comparison led to.

    Attributes:
        standings: Of the candidates, in their order.
        metric: What they were compared by.
        chosen: The one that is taken; None for zero-shot.
        choice: The step that its folds take.
        held_out: Its predictions for the rows of each fold; for zero-shot those of any candidate.
        cut: What a limit of time left out, a sentence; empty for nothing.
    """

    standings: tuple[Standing, ...]
    metric: str
    chosen: str | None
    choice: Choice
    held_out: tuple[HeldOut, ...]
    cut: str = ""

    @property
    def name(self) -> str:
        """The chosen candidate."""
        return ZERO_SHOT if self.chosen is None else self.chosen

    def to_json(self) -> list[dict[str, Any]]:
        """The standings as JSON values; a score that is undefined is null, gains are in percent."""
        return [standing.to_json(self.metric) for standing in self.standings]


def _number(score: Score | None) -> float | None:
    return score.value if score is not None and math.isfinite(score.value) else None
