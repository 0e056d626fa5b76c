"""Candidates are halved on few folds, and the end is cautious: known answers with made-up fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
import torch

from lit_causalmix.ensembles import AutoSettings, Comparison, HeldOut, Predicted, Rule, halve, rungs
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import CautiousValidation, RealValidation, Selection

FOLDS = 5


def held_out(error: float, fold: int) -> HeldOut:
    """A regression whose zero-shot is off by 1, and whose only step by `error`, in four rows."""
    target = torch.zeros(4, dtype=torch.float64)
    rows, origin = torch.arange(4) + 4 * fold, torch.zeros(4, dtype=torch.int8)
    return HeldOut(
        {s: Predicted(target + e, target, rows, origin) for s, e in ((0, 1.0), (8, error))}
    )


@dataclass
class Toy:
    """Errors by candidate and fold; `budget` fits are all that time allows."""

    errors: Mapping[str, Sequence[float]]
    budget: int = 1000
    refused: Mapping[str, str] = field(default_factory=dict)
    made: list[tuple[str, int]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def run(self, pairs: Sequence[tuple[str, int]]) -> None:
        for pair in pairs:
            if pair not in self.made and len(self.made) < self.budget:
                self.made.append(pair)

    def held_out(self, name: str, fold: int) -> HeldOut | None:
        if (name, fold) not in self.made or name in self.refused:
            return None
        return held_out(self.errors[name][fold], fold)

    def failure(self, name: str, fold: int) -> str:
        return self.refused.get(name, "") if (name, fold) in self.made else ""

    def zero_shot(self) -> HeldOut:
        return HeldOut({0: held_out(1.0, 0).moments[0]})

    def left_out(self, name: str) -> None:
        self.gone.append(name)


def compare(
    toy: Toy, selection: Selection | None = None, first: int = 2, min_errors: float = 0.0
) -> Comparison:
    rule = Rule(selection or RealValidation(), classification=False, min_errors=min_errors)
    return halve(tuple(toy.errors), toy, rule, folds=FOLDS, first=first)


def fates(found: Comparison) -> dict[str, str]:
    return {standing.name: standing.fate for standing in found.standings}


@pytest.mark.parametrize(
    ("folds", "first", "expected"),
    [(5, 2, (2, 3, 5)), (8, 1, (1, 2, 4, 8)), (2, 2, (2,)), (2, 1, (1, 2)), (3, 9, (3,))],
)
def test_rungs_double_and_end_with_all_folds(
    folds: int, first: int, expected: tuple[int, ...]
) -> None:
    assert rungs(folds, first) == expected


def test_the_better_half_goes_on_and_the_best_is_chosen() -> None:
    toy = Toy({"a": [0.9] * 5, "b": [0.7] * 5, "c": [0.8] * 5, "d": [1.4] * 5})
    found = compare(toy)
    assert found.chosen == "b"
    assert found.choice.step == 8
    assert found.choice.score == pytest.approx(0.7)
    assert toy.gone == ["a", "d", "c"]
    assert len(toy.made) == 4 * 2 + 2 * 1 + 1 * 2
    assert fates(found) == {
        "a": "left out after rung 1",
        "b": "chosen",
        "c": "left out after rung 2",
        "d": "left out after rung 1",
    }
    told = {entry["candidate"]: entry for entry in found.to_json()}
    assert (told["d"]["folds"], told["b"]["folds"]) == (2, 5)
    assert told["d"]["gain"] == pytest.approx(-40.0)  # told, though it does harm
    assert told["b"]["gain"] == pytest.approx(30.0)
    assert len(found.held_out) == FOLDS


def test_what_does_harm_is_never_chosen_and_zero_shot_needs_a_gain_worth_it() -> None:
    harm = Toy({"a": [1.1] * 5, "b": [1.3] * 5})
    found = compare(harm)
    assert (found.chosen, found.name, found.choice.step) == (None, "zero-shot", 0)
    assert [entry.step for entry in found.choice.history] == [0]
    little = {"a": [0.995] * 5, "b": [1.3] * 5}
    assert compare(Toy(little)).chosen == "a"
    assert compare(Toy(little), CautiousValidation(min_gain=1.0)).chosen is None
    # Lucky in the first folds, harmful in the others: all of them count in the end.
    lucky = Toy({"a": [0.5, 0.5, 2.0, 2.0, 2.0], "b": [0.9] * 5})
    assert compare(lucky).chosen is None
    assert compare(lucky, first=5).chosen == "b"


def test_a_gain_of_few_rows_is_too_unsure_to_leave_zero_shot() -> None:
    # Squared errors of 1 fall by 1 in one fold of five and stay elsewhere: 4 gains of 20 rows.
    lucky = Toy({"a": [0.0, 1.0, 1.0, 1.0, 1.0]})
    found = compare(lucky, first=5)
    assert (found.chosen, found.choice.step) == ("a", 8)
    mean, spread = 0.2, (0.2 * 0.8 * 20 / 19) ** 0.5
    errors = mean / (spread / 20**0.5)
    assert compare(lucky, first=5, min_errors=errors - 0.01).chosen == "a"
    unsure = compare(lucky, first=5, min_errors=errors + 0.01)
    assert (unsure.chosen, unsure.name, unsure.choice.step) == (None, "zero-shot", 0)
    assert unsure.choice.score == pytest.approx(1.0)
    assert [entry.step for entry in unsure.choice.history] == [0]
    assert fates(unsure)["a"].startswith("gains 2.2 standard errors, auto.min_errors asks for 2.1")
    assert compare(Toy({"a": [0.9] * 5}), min_errors=9.0).chosen == "a"  # all rows gain alike


def test_where_two_are_level_the_first_goes_on() -> None:
    assert compare(Toy({"a": [0.5] * 5, "b": [0.5] * 5})).chosen == "a"
    assert compare(Toy({"b": [0.5] * 5, "a": [0.5] * 5}), first=5).chosen == "b"


@pytest.mark.parametrize(
    ("budget", "chosen", "folds"),
    [
        (0, None, 1),  # zero-shot, scored for itself
        (1, "a", 1),
        (4, "b", 1),
        (7, "b", 1),
        (8, "b", 2),
        (9, "b", 2),  # rung 2 has begun: all that are left are compared on what all have
        (10, "b", 3),
        (11, "b", 4),
    ],
)
def test_when_time_is_over_the_best_so_far_is_taken(
    budget: int, chosen: str | None, folds: int
) -> None:
    errors = {"a": [0.9] * 5, "b": [0.7] * 5, "c": [0.8] * 5, "d": [1.4] * 5}
    found = compare(Toy(errors, budget=budget))
    assert found.chosen == chosen
    assert len(found.held_out) == folds
    assert "time was over in rung" in found.cut
    known = compare(Toy(errors, budget=12))
    assert not known.cut


def test_candidates_without_time_are_told_from_those_that_lost() -> None:
    errors = {"a": [0.9] * 5, "b": [0.7] * 5, "c": [0.8] * 5}
    found = compare(Toy(errors, budget=2))
    assert fates(found) == {
        "a": "compared to the end",
        "b": "chosen",
        "c": "no time was left for it",
    }
    assert found.to_json()[2]["score"] is None


def test_a_candidate_that_cannot_be_fitted_is_left_out_and_said() -> None:
    toy = Toy({"a": [0.1] * 5, "b": [0.9] * 5}, refused={"a": "no numerical column"})
    found = compare(toy)
    assert found.chosen == "b"
    assert fates(found)["a"] == "cannot be fitted: no numerical column"
    toy = Toy({"a": [0.1] * 5}, refused={"a": "no numerical column"})
    with pytest.raises(ConfigurationError, match="no candidate can be fitted: a cannot be fitted"):
        compare(toy)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidates": []}, "a list of recipes, one at least"),
        ({"candidates": {"a": "x"}}, "a list of recipes, one at least"),
        ({"candidates": [{"name": "zero-shot"}]}, "zero-shot is always a candidate"),
        ({"candidates": ["a/x", "b/x"]}, "two candidates of auto are called 'x'"),
        ({"candidates": [3]}, "name of a configuration, a list of them, or settings with a name"),
        ({"candidates": ["x"], "first_folds": 0}, "first_folds is at least 1, got 0"),
        ({"candidates": ["x"], "time_limit": 0.0}, "time_limit lies above 0 s, got 0.0"),
        ({"candidates": ["x"], "min_errors": -1.0}, "min_errors is at least 0, got -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AutoSettings(**fields)  # type: ignore[arg-type]
