"""The answers on top of the page: one word for each question, with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Element, Paragraph, Part, Picture, Section, Table
from lit_causalmix.study.report.blocks import FEW_TABLES, Block
from lit_causalmix.study.report.parts import csv, left_out, notes
from lit_causalmix.study.report.scaling import AMOUNTS, slope_verdict
from lit_causalmix.study.report.words import MEANING, count, estimate, p_value
from lit_causalmix.study.statistics import (
    PairedSummary,
    Verdict,
    paired_effects,
    summarise,
    verdict,
)
from lit_causalmix.study.statistics.figures import verdict_figure

_HEAD = ("part", "question", "verdict", "mean effect", "tables", "p, domains differ", "remark")
_PER = "per doubling of all rows, or per step of the share from 0 to 1"
_RULE = (
    "Effects are in percent of the zero-shot score: the difference of two normalised "
    f"scores, or the slope of one ({_PER}). Each table counts once, by its mean over "
    "seeds. The words follow a fixed rule on Student intervals over tables: "
    "consistent, the 95 % interval of the mean effect lies above 0; harmful, below; "
    "domain-dependent, some domain gains and "
    "another loses, or a permutation test tells the domains apart where an effect is "
    "shown; no effect, none of these."
)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study says to one question.

    Attributes:
        question: In words.
        found: The verdict; None where there is none.
        reason: Why there is none.
        paired: The differences behind it, where the question is one of a difference.
    """

    question: str
    found: Verdict | None
    reason: str = ""
    paired: PairedSummary | None = None


def answers(block: Block) -> Iterator[Answer]:
    """Does mixing help, do more rows help, does a larger share help."""
    yield _mixing(block)
    for amount, question in AMOUNTS.items():
        try:
            yield Answer(question, slope_verdict(block, block.method, amount))
        except ConfigurationError as error:
            yield Answer(question, None, str(error))


def _mixing(block: Block) -> Answer:
    question = f"{block.method} in place of {block.reference}"
    try:
        effects = paired_effects(block.main, block.score, block.method, block.reference)
        return Answer(question, verdict(effects), paired=summarise(effects))
    except ConfigurationError as error:
        return Answer(question, None, str(error))


def verdict_section(blocks: Sequence[Block]) -> Section:
    """All answers in sentences and in one table, the figures behind them, and the rule."""
    sentences: list[Element] = []
    pictures: list[Element] = []
    rows: list[tuple[str, ...]] = []
    told: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for block in blocks:
        for number, answer in enumerate(answers(block)):
            name = f"{block.title}: {answer.question}"
            if answer.found is None:
                sentences += [left_out(f"{name}: {answer.reason}")] if number == 0 else []
                rows.append((block.title, answer.question, "–", "", "", "", answer.reason))
                continue
            rows.append((block.title, answer.question, *_numbers(answer.found)))
            told += [(name, note) for note in answer.found.notes]
            file = f"{block.slug}_verdict_{number}"
            files |= csv(file, _domains(answer.found))
            if answer.paired is None:
                lead = f"{block.title}, {answer.question.lower()}: {answer.found.word}."
                sentences.append(_says(lead, _slope_sentence(block, answer.found)))
            else:
                lead = f"{block.title}: {answer.found.word}."
                sentences.append(_says(lead, _sentence(block, answer.found, answer.paired)))
                pictures.append(_picture(file, name, answer.found))
    content = [
        *sentences,
        Table(_HEAD, rows, numbers=(3, 4, 5)),
        Paragraph(_RULE, "note"),
        *notes(told),
        *pictures,
    ]
    return Section("verdict", "Verdict", [Part(content, files=files)])


def _says(lead: str, sentence: str) -> Paragraph:
    return Paragraph(f"{lead} {sentence}", "says", strong=lead)


def _picture(file: str, name: str, found: Verdict) -> Picture:
    return Picture(
        file,
        drawing.png(verdict_figure(found)),
        f"Verdict on {name}",
        f"{name}, by domain (number of tables); wide intervals are cut. Right of 0 is better.",
    )


def _sentence(block: Block, found: Verdict, paired: PairedSummary) -> str:
    return (
        f"{MEANING[found.word]} With {block.method} in place of "
        f"{block.reference} the {block.score} changes by {estimate(found.overall)} on average over "
        f"{count(int(found.domains['n_tables'].sum()), 'table')} (95 % interval): better on "
        f"{paired.wins}, equal on {paired.ties}, worse on {paired.losses}; signed-rank test p "
        f"{_equals(p_value(paired.p))}."
        + (" So few tables say little about others." if len(paired.tables) < FEW_TABLES else "")
    )


def _slope_sentence(block: Block, found: Verdict) -> str:
    """The project's own question, whether more rows bring more, in one sentence."""
    tables = int(found.domains["n_tables"].sum())
    return (
        f"{MEANING[found.word]} Slope of the {block.score}: {estimate(found.overall)} on average "
        f"over {count(tables, 'table')} (95 % interval; {_PER})."
        + (" So few tables say little about others." if tables < FEW_TABLES else "")
    )


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _numbers(found: Verdict) -> tuple[str, ...]:
    n_tables = str(int(found.domains["n_tables"].sum()))
    p = p_value(found.heterogeneity_p)
    remark = found.reason.partition("; ")[2]  # what shows where, where domains differ
    return found.word, estimate(found.overall), n_tables, p, remark


def _domains(found: Verdict) -> pd.DataFrame:
    overall = found.overall
    first = {"domain": "all tables", "n_tables": found.domains["n_tables"].sum()}
    bounds = {"mean": overall.value, "low": overall.low, "high": overall.high}
    return pd.concat([pd.DataFrame([first | bounds]), found.domains], ignore_index=True)
