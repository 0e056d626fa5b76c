"""The sections of the page on the table and on its synthetic rows."""

from __future__ import annotations

from lit_causalmix.inspection import row_figures, words
from lit_causalmix.inspection.contents import Inspection
from lit_causalmix.inspection.findings import column_facts, problems
from lit_causalmix.inspection.words import number
from lit_causalmix.pages.content import Bullets, Paragraph, Part, Picture, Section, Table
from lit_causalmix.tables.table import class_counts

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
        (
            "The same with every column as the target (0 is a guess, 1 is perfect)",
            number(synthetic.skill),
            number(training.skill),
            words.on_structure(schema, quality),
        ),
    ]
    few = quality.n_held_out < FEW_ROWS
    noise = " With so few validation rows all of this is mostly noise." if few else ""
    told = Paragraph(
        f"{quality.n_synthetic} synthetic rows are compared with {quality.n_held_out} validation "
        "rows that the generator has not seen. The column “training rows” is what "
        f"{quality.n_train} real rows reach in the same comparison: with few rows nothing reaches "
        f"the ideal value. Test rows take no part.{noise}"
    )
    head = ("measure", "synthetic rows", "training rows", "which means")
    return Section("glance", "At a glance", [Part([told, Table(head, rows, numbers=(1, 2))])])


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
    splits_head = ("", "training", "validation", "test")
    columns_head = ("column", "kind", "values", "distinct", "missing", "remark")
    return Section(
        "table",
        "The table",
        [
            Part([Table(splits_head, [*sizes, *classes], numbers=(1, 2, 3))], "Splits"),
            Part(
                [Bullets(found) if found else Paragraph("None was found.")],
                "Problems in the training rows",
            ),
            *([Part([Bullets(said)], "Said while reading all rows")] if said else []),
            Part(
                [Table(columns_head, facts, numbers=(3, 4))],
                "Columns, as the training rows show them",
            ),
        ],
    )


def marginals_section(inspection: Inspection) -> Section:
    """Every column, real and synthetic."""
    quality, schema = inspection.quality, inspection.splits.train.schema
    shapes = quality.synthetic.shapes
    figure = row_figures.marginals(
        schema, inspection.splits.val.values, inspection.synthetic, shapes
    )
    left_out = len(schema.columns) - len(row_figures.drawn_columns(shapes))
    caption = (
        "The number beside a name is its column shape score: one minus the Kolmogorov–Smirnov "
        "statistic of a numerical column, one minus the total-variation distance of any other."
    )
    if left_out:
        caption += f" The {left_out} features with the best scores are left out."
    content = [
        Paragraph(words.on_shapes(schema, quality), "says"),
        Picture(
            "marginals",
            figure,
            "Distribution of each column, real and synthetic",
            caption,
        ),
    ]
    return Section("columns", "Columns, real and synthetic", [Part(content)])


def trends_section(inspection: Inspection) -> Section:
    """Pairs of columns, real and synthetic."""
    quality, schema = inspection.quality, inspection.splits.train.schema
    names = [column.name for column in schema.columns]
    trends = quality.synthetic.trends
    content = [
        Paragraph(words.on_trends(schema, quality), "says"),
        Picture(
            "pair_trends",
            row_figures.trend_maps(names, trends),
            "Association of each pair of columns in real and in synthetic rows",
            "Magnitude of the correlation for two numerical columns, bias-corrected Cramér's V "
            "for all other pairs (numerical columns in ten bins). Grey: a column does not "
            "vary, so there is no association.",
        ),
        Picture(
            "pair_trends_difference",
            row_figures.trend_difference(names, trends),
            "Synthetic minus real association of each pair of columns",
            "Synthetic minus real: blue pairs lost association, red ones gained some.",
        ),
    ]
    return Section("pairs", "Pairs of columns, real and synthetic", [Part(content)])


def rows_section(inspection: Inspection) -> Section:
    """Whole rows: two-sample test, closest records, use to a learner."""
    quality = inspection.quality
    synthetic, training, records = quality.synthetic, quality.training, quality.records
    metric = "ROC-AUC" if inspection.splits.train.schema.task.is_classification else "R²"
    told_apart = [
        Paragraph(words.on_two_sample(quality), "says"),
        Paragraph(
            f"ROC-AUC {number(synthetic.auc)}, cross-validated; 0.5 is a coin, 1 is never wrong. "
            f"The same test tells training from validation rows with {number(training.auc)}: so "
            "much is noise, or a difference of the splits."
        ),
    ]
    copies = [
        Paragraph(words.on_records(records), "says"),
        Paragraph(
            f"{records.closer_to_train:.0%} of the synthetic rows are closer to one of "
            f"{len(records.held_out_to_train)} training rows than to one of as many held-out "
            f"rows. {records.copies:.1%} equal one of these training rows in every column, "
            f"{records.held_out_copies:.1%} one of these held-out rows; {records.all_copies:.1%} "
            "equal one of all training rows."
        ),
        Picture(
            "closest_records",
            row_figures.distance_histogram(records),
            "Distance to the closest training row",
            "No held-out row is at distance 0, since equal rows never straddle two splits.",
        ),
    ]
    use = [
        Paragraph(words.on_utility(synthetic.utility, training.utility), "says"),
        Paragraph(
            f"{metric} on the validation rows: {number(synthetic.utility.value)} after training on "
            f"synthetic rows, {number(training.utility.value)} after training on real ones."
        ),
    ]
    structure = [
        Paragraph(words.on_structure(inspection.splits.train.schema, quality), "says"),
        Paragraph(
            f"Each of {len(training.columns)} columns in turn is predicted from all others by a "
            f"forest, and scored on the validation rows: {number(synthetic.skill)} on average "
            f"after training on synthetic rows, {number(training.skill)} after training on real "
            "ones (R² of a number, 2 · ROC-AUC − 1 of a category, at least 0)."
        ),
    ]
    return Section(
        "rows",
        "Whole rows",
        [
            Part(told_apart, "Can a classifier tell them from real rows?"),
            Part(copies, "Are they copies of training rows?"),
            Part(use, "Are they of use to a learner?"),
            Part(structure, "Do the columns say of each other what real ones do?"),
        ],
    )
