"""The inspection page: what was learned from a table, and how good its synthetic rows are."""

from __future__ import annotations

import json

from lit_causalmix import __version__
from lit_causalmix.files.atomic import json_text
from lit_causalmix.inspection import sections
from lit_causalmix.inspection.contents import Inspection
from lit_causalmix.inspection.findings import feature_summary
from lit_causalmix.inspection.structure_section import structure_section
from lit_causalmix.inspection.what_if import what_if_section
from lit_causalmix.pages.content import Code, Page, Paragraph, Part, Section


def build_page(inspection: Inspection) -> Page:
    """All that the page says, its pictures, and `quality.json` to be kept beside it."""
    train = inspection.splits.train
    facts = (
        f"Target {train.schema.target.name!r}, {train.schema.task} · "
        f"{feature_summary(train.schema)} · domain: {train.domain} · "
        f"rows from {inspection.generator}"
    )
    structure = inspection.structure
    parts = [
        sections.glance(inspection),
        sections.table_section(inspection),
        *([structure_section(structure, train.schema.target.name)] if structure else []),
        *([what_if_section(what_if, train.schema)] if (what_if := inspection.what_if) else []),
        sections.marginals_section(inspection),
        sections.trends_section(inspection),
        sections.rows_section(inspection),
        _made(inspection),
    ]
    return Page(f"Inspection of {train.name}", [Paragraph(facts, "note")], parts)


def _made(inspection: Inspection) -> Section:
    told = Paragraph(
        f"lit-causalmix {__version__}, seed {inspection.seed}, {inspection.generator} "
        f"fitted on the {len(inspection.splits.train)} training rows alone with"
    )
    settings = Code(json.dumps(inspection.settings, indent=1))
    measures = json_text(numbers(inspection), indent=1)
    part = Part([told, settings], files={"quality.json": measures.encode()})
    return Section("made", "How this was made", [part])


def numbers(inspection: Inspection) -> dict[str, object]:
    """All measures, NaN where one is undefined."""
    quality, names = inspection.quality, [c.name for c in inspection.splits.train.schema.columns]
    synthetic, training, records = quality.synthetic, quality.training, quality.records
    measures = {
        "column_shapes": synthetic.shape_score,
        "column_shapes_of_training_rows": training.shape_score,
        "pair_trends": synthetic.trends.score,
        "pair_trends_of_training_rows": training.trends.score,
        "two_sample_auc": synthetic.auc,
        "two_sample_auc_of_training_rows": training.auc,
        "closer_to_training_rows": records.closer_to_train,
        "copies_of_training_rows": records.all_copies,
        "copies_of_held_out_rows": records.held_out_copies,
        "copies_of_as_many_unseen_rows": records.copies_by_chance,
        "trained_on_synthetic_rows": synthetic.utility.value,
        "trained_on_training_rows": training.utility.value,
        "every_column_trained_on_synthetic_rows": synthetic.skill,
        "every_column_trained_on_training_rows": training.skill,
    }
    return {
        "table": inspection.splits.train.name,
        "generator": inspection.generator,
        "seed": inspection.seed,
        "rows": {
            "training": quality.n_train,
            "held_out": quality.n_held_out,
            "synthetic": quality.n_synthetic,
        },
        "measures": measures,
        "shapes": dict(zip(names, synthetic.shapes.tolist(), strict=True)),
    }
