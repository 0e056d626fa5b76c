"""The page about one fit: its scores beside zero-shot, what was selected and why, and its settings.

It is made of plain data, so that a fit of folds has the same page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lit_causalmix import __version__
from lit_causalmix.metrics import metric_named, normalized_scores
from lit_causalmix.pages.content import (
    Bullets,
    Code,
    Details,
    Element,
    Mark,
    Page,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)
from lit_causalmix.training.report import (
    References,
    ReportRow,
    brief,
    each_once,
    report_rows,
    score_cells,
    score_notes,
)
from lit_causalmix.training.scoreboard import Validation
from lit_causalmix.training.selection import Selection

_NORMALISED = (
    "Normalised: 0 is the same model without fine-tuning (zero-shot), +1 is one percent better, "
    "whichever way the metric points. “real” are all real rows, “synthetic” those of the "
    "generator; other domains are those that the tables were given."
)
_SHOWN = 0.005  # percent: what is below is shown as 0.00 and has no colour


@dataclass(frozen=True)
class StageScores:
    """The scores of one set of rows.

    Attributes:
        title: "Test rows", say.
        told: What these rows are to the fit, a sentence.
        rows: Zero-shot, fine-tuned and normalised scores, at least one.
        context: Which rows stood in the context.
        references: Other models' scores.
    """

    title: str
    told: str
    rows: Sequence[ReportRow]
    context: str = ""
    references: References = field(default_factory=dict)


@dataclass(frozen=True)
class RunStory:
    """All that the page tells.

    Attributes:
        title: Table and method.
        stages: Scores, those that count most first.
        chosen: Which weights are kept and why, sentences.
        png: The curves; empty where nothing was validated.
        history: What they show: one mapping per validation, "step" and metric names → values.
        facts: What was made of the table: its name, what it is, and the options that overrule it.
        warnings: What a reader has to know, sentences.
        settings: The configuration as YAML; empty where it is unknown.
        further: Sections behind what was selected.
    """

    title: str
    stages: Sequence[StageScores]
    chosen: Sequence[str]
    png: bytes = b""
    history: Sequence[Mapping[str, float]] = ()
    facts: Sequence[tuple[str, str, str]] = ()
    warnings: Sequence[str] = ()
    settings: str = ""
    further: Sequence[Section] = ()


def build_page(story: RunStory) -> Page:
    """The page of a fit."""
    intro = [Paragraph(_summary(stage), "says") for stage in story.stages[:1]]
    return Page(story.title, intro, list(_sections(story)))


def _summary(stage: StageScores) -> str:
    """The first metric of the first rows in a sentence."""
    row = stage.rows[0]
    metric = metric_named(row.metric)
    told = (
        f"{stage.title}: {row.metric} {brief(row.fine_tuned.value)} after fine-tuning, "
        f"{brief(row.zero_shot.value)} zero-shot"
    )
    if row.normalized.defined:
        told += f", normalised {row.normalized.value:+.2f} %"
    better = "higher" if metric.sign > 0 else "lower"
    others = [
        f"{name} {brief(scores[key].value)}"
        for name, scores in stage.references.items()
        if (key := f"{row.domain}/{row.metric}") in scores
    ]
    beside = f" On the same rows: {', '.join(others)}." if others else ""
    return f"{told} ({better} is better).{beside}"


def _sections(story: RunStory) -> Iterator[Section]:
    if story.stages:
        parts = [_scores(stage) for stage in story.stages]
        yield Section("scores", "Scores", [Part([Paragraph(_NORMALISED, "note")]), *parts])
    if story.chosen:
        yield Section("selected", "What was selected, and why", [Part([Bullets(story.chosen)])])
    yield from story.further
    if story.png:
        yield Section("curves", "Curves", [_curves(story)])
    warnings = [
        *story.warnings,
        *(note for stage in story.stages for note in score_notes(stage.rows)),
    ]
    told = Bullets(list(dict.fromkeys(warnings))) if warnings else Paragraph("There were none.")
    yield Section("warnings", "Warnings", [Part([told])])
    if story.facts:
        table = Table(("", "inferred or set", "overruled by"), story.facts)
        yield Section("table", "Table, split and episodes", [Part([table])])
    yield Section("settings", "Settings", [_settings(story)])


def _scores(stage: StageScores) -> Part:
    head, cells = score_cells(stage.rows, stage.references)
    marks: dict[tuple[int, int], Mark] = {}
    for number, row in enumerate(each_once(stage.rows)):
        gain = row.normalized
        if gain.defined and abs(gain.value) >= _SHOWN:
            marks[number, head.index("normalised")] = "better" if gain.value > 0 else "worse"
    content: list[Element] = [
        Paragraph(stage.told),
        Table(head, cells, numbers=range(2, len(head)), marks=marks),
    ]
    if stage.context:
        content.append(Paragraph(f"Context of these predictions: {stage.context}.", "note"))
    return Part(content, stage.title)


def _curves(story: RunStory) -> Part:
    names = [name for name in story.history[0] if name != "step"]
    steps = [f"{entry['step']:g}" for entry in story.history]
    rows = [
        (step, *(brief(entry[name]) for name in names))
        for step, entry in zip(steps, story.history, strict=True)
    ]
    alt = (
        f"{', '.join(names)} of the real validation rows, from zero-shot at step {steps[0]} to "
        f"step {steps[-1]}; the table below has the numbers"
    )
    table = Table(("step", *names), rows, numbers=range(len(names) + 1))
    caption = "Dotted: zero-shot. Green: what was selected."
    return Part(
        [Picture("curves", story.png, alt, caption), Details("The numbers of the curves", [table])]
    )


def _settings(story: RunStory) -> Part:
    told = Paragraph(f"lit-causalmix {__version__}.")
    if not story.settings:
        return Part([told])
    text = "All settings, those left to their defaults as well; `config.yaml` beside this page"
    return Part([told, Details(f"{text} holds them, too", [Code(story.settings)])])


def scores_of_selected(
    method: str, history: Sequence[Validation], step: int, context: str = ""
) -> list[StageScores]:
    """The validation scores of the weights of a step; none where that step was not validated.

    Args:
        method: How rows were mixed.
        history: The validations, zero-shot first.
        step: Of the weights.
        context: Which rows stood in the context.
    """
    if len(history) < 2:
        return []
    zero_shot = history[0].scores
    return [
        StageScores(
            "Validation rows",
            "Weights are selected by such rows, so that the best of several looks better here than "
            "it is.",
            report_rows(
                method, "val", zero_shot, entry.scores, normalized_scores(entry.scores, zero_shot)
            ),
            context,
        )
        for entry in history
        if entry.step == step
    ][:1]


def scores_of_test(
    rows: Sequence[ReportRow], context: str = "", references: References | None = None
) -> list[StageScores]:
    """The scores of the test rows; none where there are none."""
    told = "Neither training nor selection saw these rows."
    return [StageScores("Test rows", told, rows, context, references or {})] if rows else []


def chosen_words(
    selection: Selection,
    history: Sequence[Validation],
    *,
    step: int,
    score: float,
    classification: bool,
    of: str = "",
) -> list[str]:
    """Which weights a fit keeps and why, in sentences.

    Args:
        selection: The rule.
        history: The validations, zero-shot first.
        step: Steps that led to the weights.
        score: Their value of what the rule minimises.
        classification: Whether targets are classes.
        of: Follows the step: " of every fold", say.

    Example:
        >>> from lit_causalmix.metrics import Score
        >>> from lit_causalmix.training.selection import RealValidation
        >>> history = [Validation(k, {"real/log_loss": Score(s)}) for k, s in ((0, 0.6), (20, 0.5))]
        >>> chosen_words(RealValidation(), history, step=20, score=0.5, classification=True)[0]
        'The weights after step 20 are kept: validation log_loss 0.5000, zero-shot 0.6000.'
    """
    name = f"{selection.title} {selection.loss_name(classification)}"
    kept = f"The weights after step {step}{of} are kept"
    if selection.keeps_last:
        return [f"{kept}, as the last ones, whatever their score ({type(selection).__name__})."]
    zero_shot = selection.loss(history[0].scores, classification)
    bar = selection.bar(history[0].scores, classification)
    rule = (
        f"{type(selection).__name__} (model.selection) compared {len(history)} candidates, "
        f"zero-shot among them: the lowest {name} counts."
    )
    if bar < zero_shot:
        rule += f" Zero-shot is left only for less than {brief(bar)}."
    if step == 0:
        return [f"Zero-shot is kept ({name} {brief(zero_shot)}): no other candidate won.", rule]
    return [f"{kept}: {name} {brief(score)}, zero-shot {brief(zero_shot)}.", rule]
