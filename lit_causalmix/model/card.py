"""The model card: what a kept model is, what its folder holds, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lit_causalmix.model.member import unused_by
from lit_causalmix.names import public_name
from lit_causalmix.pages import markdown
from lit_causalmix.pages.content import Bullets, Code, Element, Paragraph, Part, Section, Table
from lit_causalmix.tables.schema import Column

if TYPE_CHECKING:
    from lit_causalmix.model.predictor import Predictor


def model_card(model: Predictor) -> str:
    """The card in Markdown."""
    name = model.members[0].context.name
    sections = [
        Section("rows", "What this folder holds", [Part([_warning(model)])]),
        Section("task", "What it predicts", [Part(list(_task(model)))]),
        Section("columns", "Columns", [Part(list(_columns(model)))]),
        Section("scores", "Scores", [Part(list(_scores(model.record)))]),
        Section("made", "How it was made", [Part(list(_made(model)))]),
        Section("use", "Use", [Part([Code(_USE)])]),
    ]
    title = " ".join(f"# Model card: {name}".split())
    return f"{title}\n\n{markdown.render(sections)}"


_USE = """import lit_causalmix
model = lit_causalmix.load_model("FOLDER")
model.predict("new.csv")  # or a DataFrame

lit-causalmix predict --model FOLDER new.csv --out predictions.csv"""


def _warning(model: Predictor) -> Paragraph:
    rows = {int(row) for member in model.members for row in member.context.rows}
    strong = f"This folder holds {len(rows):,} rows of the training table"
    return Paragraph(
        f"{strong}, with their targets: the model is an in-context learner, which reads labelled "
        "rows whenever it predicts. Whoever has the folder can read them. Share it only with those "
        "who may see the table.",
        strong=strong,
    )


def _task(model: Predictor) -> Iterator[Element]:
    target, first = model.schema.target, model.members[0]
    if model.classes:
        listed = ", ".join(repr(label) for label in model.classes)
        yield Paragraph(f"The target {target.name!r}: {model.task}, classes {listed}.")
    else:
        yield Paragraph(f"The target {target.name!r}: {model.task}, in its own units.")
    count = len(model.members)
    parameters = sum(p.numel() for p in first.backbone.parameters())
    items = [
        f"model: {public_name(type(first.backbone))}, {parameters:,} parameters"
        + (f", {count} members whose predictions are averaged" if count > 1 else ""),
        "context rows: " + ", ".join(f"{len(member.context):,}" for member in model.members),
        "domain: " + first.context.domain,
    ]
    if model.temperature != 1:
        items.append(f"temperature of the probabilities: {model.temperature:.4g}")
    if model.threshold is not None:
        items.append(
            f"decision: {model.classes[1]!r} is predicted where its probability is above "
            f"{model.threshold:.4g}, {model.classes[0]!r} otherwise; the threshold was chosen on "
            "held-out rows for balanced accuracy"
        )
    yield Bullets(items)


def _columns(model: Predictor) -> Iterator[Element]:
    unused = unused_by(model.members)
    rows = [
        (column.name, str(column.kind), _values(column), "no" if column.name in unused else "yes")
        for column in model.features
    ]
    yield Table(("column", "kind", "values", "used"), rows)
    yield Paragraph(
        "New rows need all of these columns, in any order; further ones are ignored with a word. "
        "A category that training did not show counts as missing."
    )


def _values(column: Column) -> str:
    if column.date_format:
        return f"dates ({column.date_format})"
    if column.is_numerical:
        return "whole numbers" if column.integer else "numbers"
    return f"{len(column.categories)} categories"


def _scores(record: Mapping[str, Any]) -> Iterator[Element]:
    scores = record.get("scores", [])
    if not scores:
        yield Paragraph("None are known.")
        return
    head = ("rows", "domain", "metric", "zero-shot", "this model", "normalised")
    yield Table(head, [tuple(map(str, row)) for row in scores], numbers=(3, 4, 5))
    if selected := record.get("selected"):
        yield Paragraph(f"Selected weights: {selected}.")


def _made(model: Predictor) -> Iterator[Element]:
    record = model.record
    facts = {
        "method": record.get("method"),
        "pre-trained weights": record.get("base", {}).get("weights"),
        "their licence": record.get("base", {}).get("licence"),
        "their SHA-256": record.get("base", {}).get("sha256"),
        "seed": record.get("seed"),
        "SHA-256 of the training rows": record.get("data", {}).get("train"),
        "made": record.get("made"),
        "versions": ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items()) or None,
    }
    yield Bullets([f"{name}: {value}" for name, value in facts.items() if value is not None])
    yield Paragraph("All settings stand in model.json, under record.settings.")
