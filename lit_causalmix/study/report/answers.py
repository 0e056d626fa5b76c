"""The answers on top of the page: one sentence for each question and block, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Element, Paragraph, Part, Picture, Section, Table
from lit_causalmix.study.report.blocks import FEW_TABLES, Block
from lit_causalmix.study.report.parts import csv, left_out, notes
from lit_causalmix.study.report.questions import ASKED, Answer, Question, answers, sized
from lit_causalmix.study.report.words import count, estimate, p_value, plain
from lit_causalmix.study.statistics import EQUIVALENT, PairedSummary, Verdict
from lit_causalmix.study.statistics.figures import verdict_figure
from lit_causalmix.study.statistics.means import POWER

_ALL = "all tables"
_HEAD = (
    *("part", "tables", "verdict", "mean effect", "better / equal / worse"),
    *(f"p, within ±{EQUIVALENT:g}", "would have shown", "p, domains differ"),
)
_PER = "per doubling of all rows, or per step of the share from 0 to 1"
_RULE = (
    "Effects are in percent of the zero-shot score: a normalised score, the difference of two, or "
    f"the slope of one ({_PER}). Each table counts once, by its mean over seeds. The words follow "
    "a fixed rule on Student's intervals over tables: consistent, the 95 % interval of the mean "
    "effect lies above 0; harmful, below; domain-dependent, some domain gains and another loses, "
    "or a permutation test tells the domains apart where an effect is shown; equivalent, none of "
    f"these, and two one-sided tests rule out an effect beyond ±{EQUIVALENT:g}; no effect, none is "
    f"shown. Would have shown: the mean effect that so many tables show with a power of {POWER:.0%}"
    ", at the spread found."
)


@dataclass(frozen=True, eq=False)
class _Line:
    """An answer of a block, of all its tables or of those of one size."""

    block: Block
    tables: str
    answer: Answer

    @property
    def name(self) -> str:
        own = f", {self.answer.about}" if self.answer.question == "amount" else ""
        return f"{self.block.title}{own}"


def answers_section(blocks: Sequence[Block]) -> Section:
    """Each question with its answers in sentences and in a table, and the rule behind them."""
    lines = [line for block in blocks for line in _lines(block)]
    parts = [
        _part(question, [x for x in lines if x.answer.question == question]) for question in ASKED
    ]
    return Section("answers", "Three questions", [*parts, Part([Paragraph(_RULE, "note")])])


def _lines(block: Block) -> Iterator[_Line]:
    for name, part in ((_ALL, block), *sized(block)):
        for answer in answers(part):
            if name == _ALL or answer.found is not None:
                yield _Line(block, name, answer)


def _part(question: Question, lines: Sequence[_Line]) -> Part:
    sentences: list[Element] = []
    pictures: list[Element] = []
    told: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for line in lines:
        answer, found = line.answer, line.answer.found
        if line.tables != _ALL:
            continue
        if found is None:
            sentences.append(left_out(f"{line.name}: {answer.reason}"))
            continue
        lead = f"{line.name}: {answer.reply}."
        sentences.append(Paragraph(f"{lead} {_sentence(line, found)}", "says", strong=lead))
        told += [(line.name, note) for note in found.notes]
        file = f"{line.block.slug}_answer_{answer.name}"
        files |= csv(file, _domains(found))
        if answer.paired is not None:
            pictures.append(_picture(file, f"{line.block.title}, {answer.about}", found))
    rows = [row for line in lines if (row := _row(line)) is not None]
    table = [Table(_HEAD, rows, numbers=(1, 3, 4, 5, 6, 7))] if rows else []
    return Part([*sentences, *table, *notes(told), *pictures], ASKED[question], files)


def _sentence(line: _Line, found: Verdict) -> str:
    """What was compared, what came out, and how much it says."""
    block, answer = line.block, line.answer
    tables = int(found.domains["n_tables"].sum())
    over = f"{estimate(found.overall)} on average over {count(tables, 'table')} (95 % interval"
    if answer.paired is None:
        told = f"Slope of the {block.score}: {over}; {_PER})."
    else:
        told = f"With {answer.about} the {block.score} changes by {over}): {_wins(answer.paired)}."
    few = " So few tables say little about others." if tables < FEW_TABLES else ""
    return f"{told} {_evidence(found)}{few}"


def _wins(paired: PairedSummary) -> str:
    p = p_value(paired.p)
    return (
        f"better on {paired.wins}, equal on {paired.ties}, worse on {paired.losses}; signed-rank "
        f"test p {p if p.startswith('<') else f'= {p}'}"
    )


def _evidence(found: Verdict) -> str:
    """What a verdict rests on beside the interval."""
    if found.word == "equivalent":
        return (
            f"An effect beyond ±{found.bound:g} is ruled out (p {p_value(found.equivalence_p)} of "
            "two one-sided tests)."
        )
    if found.word == "no effect":
        return (
            "That is no proof that there is none: the interval says which effects remain possible. "
            f"These tables would have shown an effect of {plain(found.detectable)} with a power of "
            f"{POWER:.0%}."
        )
    if found.word == "domain-dependent":
        shows = found.reason.partition("; ")[2]
        return f"It does not do the same in every domain: {shows}."
    return "The rule below finds no dependence on the domain."


def _picture(file: str, name: str, found: Verdict) -> Picture:
    return Picture(
        file,
        drawing.png(verdict_figure(found)),
        f"Verdict on {name}",
        f"{name}, by domain (number of tables); wide intervals are cut. Right of 0 is better.",
    )


def _row(line: _Line) -> tuple[str, ...] | None:
    """A line of the table; None where a block has no answer, as a sentence says why."""
    found, paired = line.answer.found, line.answer.paired
    if found is None:
        return None
    part = line.name if line.tables == _ALL else f"{line.name}, {line.tables}"
    wins = "" if paired is None else f"{paired.wins} / {paired.ties} / {paired.losses}"
    return (
        part,
        str(int(found.domains["n_tables"].sum())),
        found.word,
        estimate(found.overall),
        wins,
        p_value(found.equivalence_p),
        plain(found.detectable),
        p_value(found.heterogeneity_p),
    )


def _domains(found: Verdict) -> pd.DataFrame:
    overall = found.overall
    first = {"domain": _ALL, "n_tables": found.domains["n_tables"].sum()}
    bounds = {"mean": overall.value, "low": overall.low, "high": overall.high}
    return pd.concat([pd.DataFrame([first | bounds]), found.domains], ignore_index=True)
