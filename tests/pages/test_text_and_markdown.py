"""The two plain renderers, on the elements that HTML has, too."""

from lit_causalmix.pages import markdown, text
from lit_causalmix.pages.content import (
    Bullets,
    Code,
    Details,
    Notes,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)

TABLE = Table(("", "median"), [("default", "+0.10"), ("scm", "−12.00"), ("x", "–")], numbers=(1,))
ALL = [
    Paragraph("Verdict: good; so.", strong="good"),
    Bullets(["one", "two"]),
    Notes(["two tables lack a run"]),
    Picture("curve", b"", "A curve", "Up is better."),
    Details("More", [Paragraph("inside")]),
    Code("{\n}"),
]


def test_text_is_aligned_and_has_signs_that_can_be_typed() -> None:
    assert text.render([Part([TABLE, Notes(["few runs"])], "roc_auc")]) == (
        "roc_auc\n"
        "         median\n"
        "default   +0.10\n"
        "scm      -12.00\n"
        "x             -\n"
        "note: few runs"
    )


def test_text_of_every_element() -> None:
    assert text.render([Part([]), Part(ALL, "T")]) == (
        "\n\nT\nVerdict: good; so.\n- one\n- two\nnote: two tables lack a run\n"
        "[A curve: curve.png]\nMore\ninside\n{\n}"
    )


def test_markdown_of_every_element() -> None:
    assert markdown.render([Section("", "S", [Part(ALL, "T"), Part([TABLE])])]) == (
        "## S\n\n### T\n\nVerdict: **good**; so.\n\n- one\n- two\n\n"
        "- Note: two tables lack a run.\n\n![A curve](curve.png)\n\nUp is better.\n\n"
        "More\n\ninside\n\n    {\n    }\n\n"
        "|  | median |\n|---|---:|\n| default | +0.10 |\n| scm | −12.00 |\n| x | – |\n"
    )


def test_a_hostile_name_breaks_no_markdown_table_and_opens_no_tag() -> None:
    table = Table(("method",), [("a|b",), ("<script>",), ("two\nlines",), ("p < 0.001",)])
    rendered = markdown.render([Section("", "<b>", [Part([table])])])
    rows = ["| a&#124;b |", r"| \<script> |", "| two lines |", "| p < 0.001 |"]
    assert rendered.splitlines() == [r"## \<b>", "", "| method |", "|---|", *rows]
