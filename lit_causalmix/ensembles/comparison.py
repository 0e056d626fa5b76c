"""What is compared, by what, and what a comparison of candidates led to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lit_causalmix.ensembles.choice import Choice, choose, pooled, standard_errors
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
        candidates: Recipes, laid over all other settings: each the name of a configuration, a list
            of them, or settings, which may start from such by `config` and have a `name`.
        first_folds: Folds of the first rung; every rung has about twice as many as the one before.
        time_limit: Seconds for all fits; what is returned then is the best so far. null: no limit.
        min_errors: Zero-shot is left only where the loss of the held-out rows falls by more than so
            many standard errors of its mean.

    Raises:
        ConfigurationError: If there is no candidate, names are not distinct, or a number is out of
            range.

    Example:
        >>> list(AutoSettings(["baselines/jitter", ["baselines/default", "finetune/ema"]]).recipes)
        ['jitter', 'default+ema']
    """

    candidates: list[Any]
    first_folds: int = 2
    time_limit: float | None = None
    min_errors: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.candidates, list) or not self.candidates:
            raise ConfigurationError(
                f"auto.candidates is a list of recipes, one at least, got {self.candidates!r}"
            )
        names = [_name(recipe) for recipe in self.candidates]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"two candidates of auto are called {name!r}: name them")
        if ZERO_SHOT in names:
            raise ConfigurationError(f"{ZERO_SHOT} is always a candidate of auto: leave it out")
        if type(self.first_folds) is not int or self.first_folds < 1:
            raise ConfigurationError(f"auto.first_folds is at least 1, got {self.first_folds}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ConfigurationError(f"auto.time_limit lies above 0 s, got {self.time_limit}")
        if not self.min_errors >= 0:
            raise ConfigurationError(f"auto.min_errors is at least 0, got {self.min_errors}")

    @property
    def recipes(self) -> dict[str, Any]:
        """The candidates by their names, in their order."""
        return {_name(recipe): recipe for recipe in self.candidates}


def _name(recipe: Any) -> str:
    """The name of a candidate: the one it is given, or those of its configurations."""
    if isinstance(recipe, Mapping):
        if isinstance(recipe.get("name"), str) and recipe["name"]:
            return str(recipe["name"])
        recipe = recipe.get("config")
    files = [recipe] if isinstance(recipe, str) else recipe
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise ConfigurationError(
            "a candidate of auto is the name of a configuration, a list of them, or settings with "
            f"a name, got {recipe!r}"
        )
    return "+".join(file.removesuffix(".yaml").rpartition("/")[2] for file in files)


@dataclass(frozen=True)
class Rule:
    """By what candidates are compared.

    Attributes:
        selection: What is minimised, and the bar before zero-shot is left.
        classification: Whether targets are classes.
        further: Metrics beside those of the package.
        min_errors: Standard errors that the choice has to gain on zero-shot.
    """

    selection: Selection
    classification: bool
    further: Sequence[MetricSpec] = ()
    min_errors: float = 0.0

    def choice(self, folds: Sequence[HeldOut]) -> Choice:
        """The step of a candidate under the bar."""
        return choose(
            folds, self.selection, classification=self.classification, further=self.further
        )

    def zero_shot(self, choice: Choice) -> Choice:
        """The choice of zero-shot in place of another one."""
        history = choice.history[:1]
        score = self.selection.loss(history[0].scores, self.classification)
        return replace(choice, step=0, score=score, history=history)

    def doubt(self, folds: Sequence[HeldOut], step: int) -> str:
        """Why the gain of a step is too unsure to leave zero-shot; empty if it is not."""
        if self.min_errors == 0:  # whatever clears the bar of the selection
            return ""
        before, after = (pooled(folds, moment) for moment in (0, step))
        found = standard_errors(before, after, classification=self.classification)
        if found > self.min_errors:
            return ""
        return f"gains {found:.2g} standard errors, auto.min_errors asks for {self.min_errors:g}"

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

    @property
    def words(self) -> str:
        """What was chosen, and what that means for its scores."""
        others = (
            f"the best of {len(self.standings)} candidates and zero-shot on held-out rows of folds"
        )
        return f"{self.name}, {others} (its val scores are those that it was chosen by)"

    def to_json(self) -> list[dict[str, Any]]:
        """The standings as JSON values; a score that is undefined is null, gains are in percent."""
        return [standing.to_json(self.metric) for standing in self.standings]


def _number(score: Score | None) -> float | None:
    return score.value if score is not None and math.isfinite(score.value) else None
