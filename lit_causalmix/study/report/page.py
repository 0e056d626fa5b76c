"""The page about a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lit_causalmix.pages import files, html
from lit_causalmix.pages.files import Files
from lit_causalmix.pages.html import Section
from lit_causalmix.study.report.absolute_error import absolute_error_part
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
from lit_causalmix.study.report.parts import Part, made
from lit_causalmix.study.report.robustness import fgsm_part
from lit_causalmix.study.report.run_facts import missing_section, run_section
from lit_causalmix.study.report.scaling import AMOUNTS, scaling_part
from lit_causalmix.study.report.stopping import stopping_part
from lit_causalmix.study.report.targets import targets_part
from lit_causalmix.study.report.verdicts import verdict_section

PARTS: dict[str, Part] = {
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
"""Heading → part of each block, in this order; a new one is one entry."""


def write_report(path: Path, study: Study, *, method: str, reference: str) -> None:
    """Writes the page, and beside it a folder with its pictures and numbers.

    The same cells give the same bytes.

    Args:
        path: HTML file.
        study: The cells.
        method: Name of the method that the verdict is on.
        reference: Name of default fine-tuning.
    """
    kept = Files()
    text = build_report(study, kept, method=method, reference=reference)
    files.write_page(path, text, kept)


def build_report(study: Study, kept: Files, *, method: str, reference: str) -> str:
    """Returns the HTML of the page, and leaves its pictures and numbers in `kept`."""
    found = blocks(study, method, reference)
    sections = list(_sections(study, found, kept))
    return html.page(f"Study {study.name}", _intro(study, found), sections)


def _intro(study: Study, found: list[Block]) -> list[str]:
    backbones = ", ".join(dict.fromkeys(block.backbone for block in found))
    if not found:
        return [html.says("No cell is finished: there is no result, and no verdict.")]
    return [
        html.paragraph(
            f"{len(study.records)} finished cells on {backbones}. A cell is one fit: a "
            "pre-trained tabular model is fine-tuned on the training rows of one table with one "
            "seed, and scored on test rows that took no part. Methods differ in the synthetic rows "
            "that they mix in; default fine-tuning mixes in none. Scores are normalised: 0 is the "
            "same model without fine-tuning (zero-shot), +1 is one percent better."
        ),
        *([] if study.min_gain is None else [html.says(_caution(study.min_gain))]),
    ]


def _caution(min_gain: float) -> str:
    return (
        "The weights of every fit are selected anew among its checkpoints: the best by ROC-AUC "
        "(RMSE) of the validation rows, where they gain more than "
        f"{min_gain:g} % on zero-shot there, else zero-shot (model.selection: CautiousValidation)."
    )


def _sections(study: Study, found: list[Block], kept: Files) -> Iterator[Section]:
    if found:
        yield verdict_section(found, kept)
    yield run_section(study, found, kept)
    for block in found:
        parts = [text for title, part in PARTS.items() for text in made(title, part, block, kept)]
        yield Section(block.slug, block.title, tuple(parts))
    if found:
        yield cost_section(study, kept)
    yield missing_section(study, found, kept)
