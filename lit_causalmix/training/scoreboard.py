"""The scores of a fit in one plain object: zero-shot, current, normalised and selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from lit_causalmix.metrics import Score, normalized_scores

Stage = Literal["val", "test"]


@dataclass
class Sheet:
    """The scores of one set of rows, keyed "domain/metric".

    Attributes:
        stage: "val" or "test".
        rows: Fingerprint of the rows that are scored, with their context.
        zero_shot: Scores of the pre-trained weights; None before they are measured.
        scores: Scores of the weights that were evaluated last.
    """

    stage: Stage
    rows: str
    zero_shot: dict[str, Score] | None = None
    scores: dict[str, Score] = field(default_factory=dict)

    @property
    def normalized(self) -> dict[str, Score]:
        """`scores` normalised by `zero_shot`, in percent; empty before both are there."""
        return normalized_scores(self.scores, self.zero_shot or {})


@dataclass(frozen=True)
class Validation:
    """One validation of a fit.

    Attributes:
        step: Optimiser steps that led to the weights; 0 is zero-shot.
        scores: "domain/metric" → score.
        passed: Domain → share of the synthetic rows, or of their gradient, that a gate let pass
            since the validation before; empty without a gate.
    """

    step: int
    scores: dict[str, Score]
    passed: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Selected:
    """The weights that a fit returns, as far as it has come.

    Attributes:
        step: Optimiser steps that led to them; 0 is zero-shot.
        score: Their value of the metric that is minimised.
        bar: The value below which other weights take their place; it differs from `score` where
            the selection asks for more before it leaves zero-shot.
        rule: What selected them, in words.
        digest: SHA-256 of the weights (`digests.of_tensors`).
        file: The checkpoint that holds them, relative to the run's folder.
        coefficient: Their share on the line from zero-shot, where interpolation chose it.
        line: (share, value of the metric) of all points that interpolation tried.
    """

    step: int
    score: float
    bar: float
    rule: str
    digest: str
    file: str = ""
    coefficient: float | None = None
    line: tuple[tuple[float, float], ...] = ()


class Scoreboard:
    """What is known of the scores of a fit; the task owns it, callbacks write and read it.

    It is saved with every checkpoint, as plain values (`state`).

    Attributes:
        sheets: Name → scores. The names "val" and "test" are those of the stages; callbacks that
            score other forms of the same rows add sheets of their own.
        history: The validations of the fit so far, zero-shot first.
        undefined: Metric name as logged → why it has no value.
        selected: The selected weights; None where nothing selects.
        passed: Domain → sum of the shares that a gate let pass since the last validation, and
            their number.

    Example:
        >>> board = Scoreboard()
        >>> board.sheet("val", rows="a").scores["real/r2"] = Score(0.5)
        >>> board.sheet("val", rows="a").scores
        {'real/r2': Score(value=0.5, note='')}
        >>> board.sheet("val", rows="b").scores  # other rows, so nothing is known
        {}
    """

    def __init__(self) -> None:
        self.sheets: dict[str, Sheet] = {}
        self.history: list[Validation] = []
        self.undefined: dict[str, str] = {}
        self.selected: Selected | None = None
        self.passed: dict[str, tuple[float, int]] = {}

    def sheet(self, name: str, *, rows: str, stage: Stage | None = None) -> Sheet:
        """The sheet of a name for these very rows; an empty one in its place where rows differ.

        Args:
            name: Name of the sheet.
            rows: Fingerprint of the rows.
            stage: The stage that it belongs to; by default the one of its name, or else "test".
        """
        known = self.sheets.get(name)
        if known is None or known.rows != rows:
            known = Sheet(stage or ("val" if name == "val" else "test"), rows)
            self.sheets[name] = known
        return known

    def of_stage(self, stage: Stage) -> list[Sheet]:
        """The sheets of a stage that hold scores, its own first, then by name."""
        names = sorted(self.sheets, key=lambda name: (name != stage, name))
        found = [self.sheets[name] for name in names]
        return [sheet for sheet in found if sheet.stage == stage and sheet.scores]

    def begin(self, zero_shot: Mapping[str, Score]) -> None:
        """Lets the history begin with zero-shot; one that did may have lacked a metric."""
        if not self.history:
            self.history = [Validation(0, dict(zero_shot))]
        elif self.history[0].step == 0:
            self.history[0] = replace(self.history[0], scores=dict(zero_shot))

    def add(self, validation: Validation) -> None:
        """Adds a validation to the history; one that is repeated after a restart stands once."""
        if len(self.history) > 1 and self.history[-1].step == validation.step:
            before = self.history.pop()
            validation = replace(validation, passed=validation.passed or before.passed)
        self.history.append(validation)

    def note_passed(self, shares: Mapping[str, float]) -> None:
        """Takes the shares that a gate let pass in a step, by domain."""
        for domain, share in shares.items():
            total, count = self.passed.get(domain, (0.0, 0))
            self.passed[domain] = (total + share, count + 1)

    def take_passed(self) -> dict[str, float]:
        """The mean shares since the last call, by domain."""
        found = {domain: total / count for domain, (total, count) in self.passed.items()}
        self.passed = {}
        return found

    def state(self) -> dict[str, Any]:
        """Everything as plain numbers, texts, lists and dictionaries."""
        passed = {domain: list(shares) for domain, shares in self.passed.items()}
        return {
            **({"passed": passed} if passed else {}),
            "sheets": {
                name: {
                    "stage": sheet.stage,
                    "rows": sheet.rows,
                    "zero_shot": None if sheet.zero_shot is None else packed(sheet.zero_shot),
                    "scores": packed(sheet.scores),
                }
                for name, sheet in self.sheets.items()
            },
            "history": [
                {"step": entry.step, "scores": packed(entry.scores)}
                | ({"passed": dict(entry.passed)} if entry.passed else {})
                for entry in self.history
            ],
            "undefined": dict(self.undefined),
            "selected": None
            if self.selected is None
            else asdict(self.selected) | {"line": [list(point) for point in self.selected.line]},
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Scoreboard:
        """What `state` described."""
        board = cls()
        for name, content in state["sheets"].items():
            zero_shot = content["zero_shot"]
            board.sheets[name] = Sheet(
                content["stage"],
                content["rows"],
                None if zero_shot is None else unpacked(zero_shot),
                unpacked(content["scores"]),
            )
        board.history = [
            Validation(int(entry["step"]), unpacked(entry["scores"]), dict(entry.get("passed", {})))
            for entry in state["history"]
        ]
        board.passed = {
            domain: (float(total), int(count))
            for domain, (total, count) in state.get("passed", {}).items()
        }
        board.undefined = dict(state["undefined"])
        chosen = state["selected"]
        if chosen is not None:
            line = tuple((float(share), float(loss)) for share, loss in chosen["line"])
            board.selected = Selected(**{**chosen, "line": line})
        return board


def packed(scores: Mapping[str, Score]) -> dict[str, list[Any]]:
    """Scores as plain values."""
    return {key: [score.value, score.note] for key, score in scores.items()}


def unpacked(content: Mapping[str, Sequence[Any]]) -> dict[str, Score]:
    """What `packed` packed."""
    return {key: Score(float(value), str(note)) for key, (value, note) in content.items()}
