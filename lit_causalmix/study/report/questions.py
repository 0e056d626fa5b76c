"""The three questions that a reader has, and what a study says to each of one block.

Should I fine-tune at all, should I add causal rows, and how many?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.report.blocks import FEW_TABLES, Block
from lit_causalmix.study.report.scaling import AMOUNTS, slope_verdict
from lit_causalmix.study.statistics import (
    Effects,
    PairedSummary,
    Verdict,
    paired_effects,
    summarise,
    verdict,
)
from lit_causalmix.study.statistics.records import tidy
from lit_causalmix.study.statistics.verdict import Word

Question = Literal["tune", "mix", "amount"]

ASKED: Mapping[Question, str] = {
    "tune": "Should I fine-tune at all?",
    "mix": "Should I add causal rows?",
    "amount": "How many?",
}
"""The questions, in a reader's words and order."""

_WHETHER: Mapping[Word, str] = {
    "consistent": "yes",
    "harmful": "no, it makes things worse",
    "equivalent": "it makes no difference",
    "no effect": "no gain is shown",
    "domain-dependent": "it depends on the domain",
}
REPLIES: Mapping[Question, Mapping[Word, str]] = {
    "tune": _WHETHER,
    "mix": _WHETHER,
    "amount": {
        "consistent": "the more, the better",
        "harmful": "the fewer, the better",
        "equivalent": "the number makes no difference",
        "no effect": "no number is shown to be better",
        "domain-dependent": "it depends on the domain",
    },
}
"""What a verdict means as a reply to a question."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study says to one question.

    Attributes:
        question: One of `ASKED`.
        name: Short, for names of files.
        about: What is compared, or varied.
        found: The verdict; None where there is none.
        reason: Why there is none.
        paired: The differences behind it, where the question is one of a difference.
    """

    question: Question
    name: str
    about: str
    found: Verdict | None
    reason: str = ""
    paired: PairedSummary | None = None

    @property
    def reply(self) -> str:
        """The verdict in a reader's words; a dash where there is none."""
        return "–" if self.found is None else REPLIES[self.question][self.found.word]


def answers(block: Block) -> Iterator[Answer]:
    """All that one block says to the three questions, in their order."""
    yield fine_tuning(block)
    yield mixing(block)
    for amount, title in AMOUNTS.items():
        try:
            found = slope_verdict(block, block.method, amount)
            yield Answer("amount", amount, title.lower(), found)
        except ConfigurationError as error:
            yield Answer("amount", amount, title.lower(), None, str(error))


def fine_tuning(block: Block) -> Answer:
    """Fine-tuning on real rows alone in place of zero-shot, whose normalised score is 0."""
    about = f"{block.reference} in place of zero-shot"
    return _compared("tune", about, lambda: to_zero_shot(block, block.reference))


def mixing(block: Block) -> Answer:
    """The method of the block in place of fine-tuning on real rows alone."""
    about = f"{block.method} in place of {block.reference}"
    return _compared(
        "mix",
        about,
        lambda: paired_effects(block.alike, block.score, block.method, block.reference),
    )


def _compared(question: Question, about: str, effects: Callable[[], Effects]) -> Answer:
    try:
        found = effects()
        return Answer(question, question, about, verdict(found), paired=summarise(found))
    except ConfigurationError as error:
        return Answer(question, question, about, None, str(error))


def to_zero_shot(block: Block, method: str) -> Effects:
    """What a method did in place of zero-shot, whose normalised score is 0.

    Raises:
        ConfigurationError: If no cell of it is finished.
    """
    own = block.main[block.main["method"] == method]
    if own.empty:
        raise ConfigurationError(f"no finished cell of {method!r}")
    data = tidy(own, block.score, ["method"])
    frame = data.frame.rename(columns={"score": "effect"})
    return Effects(frame, f"{method} minus zero-shot", data.notes)


_SIZES: Mapping[str, tuple[str, tuple[int, int]]] = {
    "n_train": ("training rows", (200, 1_000)),
    "n_columns": ("columns", (10, 30)),
}
"""Column of the cells → what it counts, and where small and middling end [our choice]."""


def sized(block: Block) -> Iterator[tuple[str, Block]]:
    """The block's tables by their training rows and by their columns.

    Parts of fewer than `FEW_TABLES` tables say too little, and a part of all tables nothing more:
    both are left out.

    Yields:
        What the tables have in common ("at most 200 training rows"), and the block of these alone.
    """
    for column, (unit, (small, middling)) in _SIZES.items():
        largest = block.frame.groupby("table")[column].max()
        parts = {
            f"at most {small:,} {unit}": largest <= small,
            f"{small + 1:,} to {middling:,} {unit}": (largest > small) & (largest <= middling),
            f"over {middling:,} {unit}": largest > middling,
        }
        for name, has in parts.items():
            tables = set(largest.index[has])
            if FEW_TABLES <= len(tables) < len(largest):
                yield name, _of_tables(block, tables)


def _of_tables(block: Block, tables: set[str]) -> Block:
    def only(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["table"].isin(tables)].reset_index(drop=True)

    return replace(block, frame=only(block.frame), main=only(block.main))
