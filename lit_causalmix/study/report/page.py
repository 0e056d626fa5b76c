"""The page about a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lit_causalmix.pages.content import Element, Page, Paragraph, Section
from lit_causalmix.pages.files import write_page
from lit_causalmix.study.report.absolute_error import absolute_error_part
from lit_causalmix.study.report.answers import answers_section
from lit_causalmix.study.report.blocks import Block, blocks
from lit_causalmix.study.report.comparison import (
    other_metrics,
    paper_table,
    per_table,
    ranks_part,
)
from lit_causalmix.study.report.contents import Study
from lit_causalmix.study.report.cost import cost_section
from lit_causalmix.study.report.domains import domains_part
from lit_causalmix.study.report.paired import paired_part
from lit_causalmix.study.report.parts import PartOf, made
from lit_causalmix.study.report.quality import quality_sections
from lit_causalmix.study.report.robustness import fgsm_part
from lit_causalmix.study.report.run_facts import missing_section, run_section
from lit_causalmix.study.report.scaling import AMOUNTS, scaling_part
from lit_causalmix.study.report.stopping import stopping_part
from lit_causalmix.study.report.targets import targets_part

PARTS: dict[str, PartOf] = {
    "All methods": paper_table,
    "Targets": targets_part,
    "Average ranks": ranks_part,
    "Wins and losses, table by table": per_table,
    "Differences to default fine-tuning": paired_part,
    **{title: scaling_part(amount) for amount, title in AMOUNTS.items()},
    "Training and selection": stopping_part,
    "Domain by domain": domains_part,
    "Perturbed test rows": fgsm_part,
    "Mean absolute error": absolute_error_part,
    "All metrics": other_metrics,
}
"""Title → part of each block, in this order; a new one is one entry."""


def write_report(path: Path, study: Study, *, method: str, reference: str) -> None:
    """Writes the page, and beside it a folder with its pictures and numbers.

    The same cells give the same bytes.

    Args:
        path: HTML file.
        study: The cells.
        method: Name of the method that the verdict is on.
        reference: Name of default fine-tuning.
    """
    write_page(path, build_report(study, method=method, reference=reference))


def build_report(study: Study, *, method: str, reference: str) -> Page:
    """All that the page says, and what is to be kept beside it."""
    found = blocks(study, method, reference)
    return Page(f"Study {study.name}", _intro(study, found), list(_sections(study, found)))


def _intro(study: Study, found: list[Block]) -> list[Element]:
    backbones = ", ".join(dict.fromkeys(block.backbone for block in found))
    if not found:
        return [Paragraph("No cell is finished: there is no result, and no verdict.", "says")]
    told = (
        f"{len(study.records)} finished cells on {backbones}. A cell is one fit: a "
        "pre-trained tabular model is fine-tuned on the training rows of one table with one "
        "seed, and scored on test rows that took no part. Methods differ in the synthetic rows "
        "that they mix in; default fine-tuning mixes in none. Scores are normalised: 0 is the "
        "same model without fine-tuning (zero-shot), +1 is one percent better."
    )
    caution = [] if study.min_gain is None else [Paragraph(_caution(study.min_gain), "says")]
    return [Paragraph(told), *caution]


def _caution(min_gain: float) -> str:
    return (
        "The weights of every fit are selected anew among its checkpoints: the best by ROC-AUC "
        "(RMSE) of the validation rows, where they gain more than "
        f"{min_gain:g} % on zero-shot there, else zero-shot (model.selection: CautiousValidation)."
    )


def _sections(study: Study, found: list[Block]) -> Iterator[Section]:
    if found:
        yield answers_section(found)
    yield run_section(study, found)
    for block in found:
        parts = [made(title, part, block) for title, part in PARTS.items()]
        yield Section(block.slug, block.title, parts)
    yield from quality_sections(study)
    if found:
        yield cost_section(study)
    yield missing_section(study, found)
