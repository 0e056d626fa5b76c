"""What CausalMixFT's authors report (arXiv 2601.04110): Mitra, 33 classification tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Figures of one method.

    Attributes:
        score: Median normalised ROC-AUC in percent, with its spread where one is given.
        gap: Median validation–test correlation gap; empty where none is given.
        rank: Place by average rank among all methods; empty where none is given.
    """

    score: str
    gap: str = ""
    rank: str = ""


_FIGURES: Mapping[str, Published] = {
    "default": Published("+0.10 (0.98)", "0.67", "second"),
    "causalmixft": Published("+0.12 (0.63)", "0.30", "best"),
    "ctgan": Published("−0.01"),
    "tabebm": Published("−0.04"),
    "tableaugment": Published("−0.09"),
    "scmonly": Published("negative"),
    "mixedmodel": Published("negative"),
}

NOTE = (
    "Published figures: median (spread) of arXiv 2601.04110, on Mitra and 33 TabArena tables, over "
    "more than 2,300 runs. Backbone, tables, rows and settings are others here, and how the paper "
    "computes its spread and its gap is not known to us: they show the order of magnitude and are "
    "not directly comparable."
)


def published(method: str) -> Published | None:
    """The figures of a method by its name, however that is spelt; None where there are none."""
    return _FIGURES.get(re.sub(r"[^a-z]", "", method.lower()))
