"""The candidates of a comparison in words, for the screen and for the page."""

from __future__ import annotations

from lit_causalmix.ensembles import Comparison
from lit_causalmix.pages import text
from lit_causalmix.pages.content import Mark, Paragraph, Part, Section, Table
from lit_causalmix.training.report import brief
from lit_causalmix.training.selection import Selection

_TOLD = (
    "Each at its best step, over the rows that its folds held out; zero-shot is scored on the same "
    "rows. Who was left out early was scored on fewer. The best of several scores looks better "
    "than it is: believe the test rows."
)


def candidates_part(found: Comparison) -> Part:
    """The table of candidates, in their order, with a sentence on how to read it."""
    head = ("candidate", "folds", "step", "zero-shot", found.metric, "gain", "what became of it")
    entries = found.to_json()
    cells = [
        (
            entry["candidate"],
            str(entry["folds"]),
            "" if entry["step"] is None else str(entry["step"]),
            *("" if entry[k] is None else brief(entry[k]) for k in ("zero_shot", "score")),
            "" if entry["gain"] is None else f"{entry['gain']:+.2f} %",
            entry["fate"],
        )
        for entry in entries
    ]
    chosen = [entry["candidate"] for entry in entries].index(found.chosen) if found.chosen else -1
    marks: dict[tuple[int, int], Mark] = {(chosen, 0): "better"} if found.chosen else {}
    table = Table(head, cells, numbers=range(1, 6), marks=marks)
    return Part([Paragraph(_TOLD, "note"), table], "Candidates, on held-out rows of the folds")


def candidates_text(found: Comparison) -> str:
    """The same for the screen."""
    return text.render([candidates_part(found)])


def candidates_section(found: Comparison) -> Section:
    """The same for the page."""
    return Section("candidates", "What was compared", [candidates_part(found)])


def chosen_among(found: Comparison, selection: Selection, classification: bool) -> list[str]:
    """Which candidate is kept and why, in sentences.

    Args:
        found: The comparison.
        selection: Its rule.
        classification: Whether targets are classes.
    """
    name = f"pooled {selection.title} {selection.loss_name(classification)}"
    start = found.choice.history[0].scores
    zero_shot, bar = selection.loss(start, classification), selection.bar(start, classification)
    rule = (
        f"{type(selection).__name__} (model.selection) compared {len(found.standings)} candidates "
        "and zero-shot by the predictions for rows that their folds held out, and left out half of "
        "them after each rung."
    )
    if bar < zero_shot:
        rule += f" Zero-shot is left only for less than {brief(bar)}."
    if found.chosen is None:
        return [f"Zero-shot is kept ({name} {brief(zero_shot)}): no candidate won.", rule]
    kept = f"{found.chosen} is taken, after step {found.choice.step} of every fold"
    return [f"{kept}: {name} {brief(found.choice.score)}, zero-shot {brief(zero_shot)}.", rule]
