"""The sections of the page on the table and on its synthetic rows."""

from __future__ import annotations

from lit_causalmix.inspection import row_figures, words
from lit_causalmix.inspection.contents import Inspection
from lit_causalmix.inspection.findings import class_counts, column_facts, problems
from lit_causalmix.inspection.words import number
from lit_causalmix.pages import html
from lit_causalmix.pages.files import Files
from lit_causalmix.pages.html import Section

MOST_REMARKS = 12
FEW_ROWS = 30


def glance(inspection: Inspection) -> Section:
    """All measures in one table."""
    quality, schema = inspection.quality, inspection.splits.train.schema
    synthetic, training, records = quality.synthetic, quality.training, quality.records
    metric = "ROC-AUC" if schema.task.is_classification else "R²"
    rows = [
        (
            "Column shapes (1 is equal)",
            number(synthetic.shape_score),
            number(training.shape_score),
            words.on_shapes(schema, quality),
        ),
        (
            "Pair trends (1 is equal)",
            number(synthetic.trends.score),
            number(training.trends.score),
            words.on_trends(schema, quality),
        ),
        (
            "Two-sample test, ROC-AUC (0.5 is equal)",
            number(synthetic.auc),
            number(training.auc),
            words.on_two_sample(quality),
        ),
        (
            "Closer to a training row than to a held-out one (0.5 is neutral)",
            number(records.closer_to_train),
            "–",
            words.on_records(records),
        ),
        (
            f"Trained on them, tested on held-out rows, {metric}",
            number(synthetic.utility.value),
            number(training.utility.value),
            words.on_utility(synthetic.utility, training.utility),
        ),
    ]
    few = quality.n_held_out < FEW_ROWS
    noise = " With so few validation rows all of this is mostly noise." if few else ""
    return Section(
        "glance",
        "At a glance",
        (
            html.paragraph(
                f"{quality.n_synthetic} synthetic rows are compared with {quality.n_held_out} "
                "validation rows that the generator has not seen. The column “training rows” is "
                f"what {quality.n_train} real rows reach in the same comparison: with few rows "
                f"nothing reaches the ideal value. Test rows take no part.{noise}"
            ),
            html.table(
                ("measure", "synthetic rows", "training rows", "which means"), rows, numbers=(1, 2)
            ),
        ),
    )


def table_section(inspection: Inspection) -> Section:
    """Splits, classes, problems and columns."""
    splits = inspection.splits
    parts = (splits.train, splits.val, splits.test)
    sizes = [("rows", *(str(len(part)) for part in parts))]
    # The classes of the test rows stay closed.
    classes = [
        (f"class {name}", *map(str, counts), "")
        for name, counts in class_counts(splits.train, splits.val)
    ]
    found = problems(splits.train)
    said = [*inspection.remarks[:MOST_REMARKS]]
    if len(inspection.remarks) > MOST_REMARKS:
        said.append(f"… and {len(inspection.remarks) - MOST_REMARKS} more")
    facts = [
        (
            fact.name,
            fact.kind,
            fact.values,
            str(fact.distinct),
            f"{fact.missing:.1%}" if fact.missing else "",
            "; ".join(text for text in (fact.problem, fact.remark) if text),
        )
        for fact in column_facts(splits.train)
    ]
    return Section(
        "table",
        "The table",
        (
            html.heading("Splits"),
            html.table(
                ("", "training", "validation", "test"), [*sizes, *classes], numbers=(1, 2, 3)
            ),
            html.heading("Problems in the training rows"),
            html.bullets(found) if found else html.paragraph("None was found."),
            *([html.heading("Said while reading all rows"), html.bullets(said)] if said else []),
            html.heading("Columns, as the training rows show them"),
            html.table(
                ("column", "kind", "values", "distinct", "missing", "remark"),
                facts,
                numbers=(3, 4),
            ),
        ),
    )


def marginals_section(inspection: Inspection, pictures: Files) -> Section:
    """Every column, real and synthetic."""
    quality, schema = inspection.quality, inspection.splits.train.schema
    figure = row_figures.marginals(
        schema, inspection.splits.val.values, inspection.synthetic, quality.synthetic.shapes
    )
    left_out = len(schema.columns) - len(row_figures.drawn_columns(quality.synthetic.shapes))
    caption = (
        "The number beside a name is its column shape score: one minus the Kolmogorov–Smirnov "
        "statistic of a numerical column, one minus the total-variation distance of any other."
    )
    if left_out:
        caption += f" The {left_out} features with the best scores are left out."
    return Section(
        "columns",
        "Columns, real and synthetic",
        (
            html.says(words.on_shapes(schema, quality)),
            html.picture(
                pictures.keep("marginals.png", figure), "Distribution of each column", caption
            ),
        ),
    )


def trends_section(inspection: Inspection, pictures: Files) -> Section:
    """Pairs of columns, real and synthetic."""
    quality, schema = inspection.quality, inspection.splits.train.schema
    names = [column.name for column in schema.columns]
    both = pictures.keep("pair_trends.png", row_figures.trend_maps(names, quality.synthetic.trends))
    difference = pictures.keep(
        "pair_trends_difference.png", row_figures.trend_difference(names, quality.synthetic.trends)
    )
    return Section(
        "pairs",
        "Pairs of columns, real and synthetic",
        (
            html.says(words.on_trends(schema, quality)),
            html.picture(
                both,
                "Association of each pair of columns in real and in synthetic rows",
                "Magnitude of the correlation for two numerical columns, bias-corrected Cramér's V "
                "for all other pairs (numerical columns in ten bins). Grey: a column does not "
                "vary, so there is no association.",
            ),
            html.picture(
                difference,
                "Difference of the associations",
                "Synthetic minus real: blue pairs lost association, red ones gained some.",
            ),
        ),
    )


def rows_section(inspection: Inspection, pictures: Files) -> Section:
    """Whole rows: two-sample test, closest records, use to a learner."""
    quality = inspection.quality
    synthetic, training, records = quality.synthetic, quality.training, quality.records
    metric = "ROC-AUC" if inspection.splits.train.schema.task.is_classification else "R²"
    histogram = pictures.keep("closest_records.png", row_figures.distance_histogram(records))
    return Section(
        "rows",
        "Whole rows",
        (
            html.heading("Can a classifier tell them from real rows?"),
            html.says(words.on_two_sample(quality)),
            html.paragraph(
                f"ROC-AUC {number(synthetic.auc)}, cross-validated; 0.5 is a coin, 1 is never "
                "wrong. The same test tells training from validation rows with "
                f"{number(training.auc)}: so much is noise, or a difference of the splits."
            ),
            html.heading("Are they copies of training rows?"),
            html.says(words.on_records(records)),
            html.paragraph(
                f"{records.closer_to_train:.0%} of the synthetic rows are closer to one of "
                f"{len(records.held_out_to_train)} training rows than to one of as many held-out "
                f"rows. {records.copies:.1%} equal one of these training rows in every column, "
                f"{records.held_out_copies:.1%} one of these held-out rows."
            ),
            html.picture(
                histogram,
                "Distance to the closest training row",
                "No held-out row is at distance 0, since equal rows never straddle two splits.",
            ),
            html.heading("Are they of use to a learner?"),
            html.says(words.on_utility(synthetic.utility, training.utility)),
            html.paragraph(
                f"{metric} on the validation rows: {number(synthetic.utility.value)} after "
                f"training on synthetic rows, {number(training.utility.value)} after training on "
                "real ones."
            ),
        ),
    )
