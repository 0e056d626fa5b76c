"""HTML: well-formed, complete, and nothing of a user's text is markup."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from lit_causalmix.pages.content import (
    Bullets,
    Code,
    Details,
    Element,
    Notes,
    Page,
    Paragraph,
    Part,
    Picture,
    Section,
    Table,
)
from lit_causalmix.pages.html import render

HOSTILE = (
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></pre><b>",
    "<svg><text>&lt;</text></svg>",
    "{{ 7 * 7 }}{% raw %}",
    "a & b &amp; c &#60;i&#62;",
    "]]>--><!--",
)
PNG = b"\x89PNG\r\n"


def everywhere(text: str) -> Page:
    """A page that has the text wherever a text can stand."""
    content: list[Element] = [
        Paragraph(text),
        Paragraph(f"so {text} and", "note", strong=text),
        Bullets([text]),
        Notes([text]),
        Notes([text] * 3),
        Table([text], [[text], [text]], numbers=[0], marks={(1, 0): "better"}),
        Picture("drawn", PNG, alt=text, caption=text),
        Details(text, [Paragraph(text), Details(text, [Code(text)])]),
        Code(text),
    ]
    return Page(text, content, [Section(text, text, [Part(content, text)])])


class Reader(HTMLParser):
    """Collects tags, attributes and text; tags have to match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_text_wherever_it_stands(text: str) -> None:
    plain, page = (Reader(render(everywhere(t))) for t in ("plain", text))
    assert page.tags == plain.tags, "no tag of its own"
    names = [name for name, _ in plain.attributes]
    assert [name for name, _ in page.attributes] == names, "and no attribute"
    assert not page.comments
    swapped = [(n, v.replace(text, "plain") if v else v) for n, v in page.attributes]
    assert swapped == plain.attributes, "attributes hold it as it is written"
    words, expected = "".join(page.words), "".join(plain.words)
    assert words.replace(text, "plain") == expected, "and so does the text"
    assert words.count(text) == expected.count("plain")


def test_classes_say_what_a_cell_is() -> None:
    table = Table(
        ("name", "n"), [("a", "1"), ("b", "2")], (1,), {(0, 1): "better", (1, 0): "worse"}
    )
    html = render(Page("t", [table], []))
    assert '<th scope="col">name</th><th scope="col" class="number">n</th>' in html
    assert '<td>a</td><td class="number better">1</td>' in html
    assert '<td class="worse">b</td><td class="number">2</td>' in html


def test_a_bold_phrase_is_set_once() -> None:
    html = render(Page("t", [Paragraph("it is it", "says", strong="it")], []))
    assert '<p class="says"><strong>it</strong> is it</p>' in html


def test_many_notes_are_folded_up() -> None:
    few, many = (render(Page("t", [Notes(["a", "b", "c"][:n])], [])) for n in (2, 3))
    assert '<p class="note">Note: b.</p>' in few
    assert "<details><summary>3 notes on what was left out</summary>" in many
    assert "<li>c.</li>" in many


def test_preformatted_text_keeps_its_lines() -> None:
    assert "<pre>{\n  1\n}</pre>" in render(Page("t", [Code("{\n  1\n}")], []))


def test_what_is_kept_beside_a_page_are_its_files_and_all_pictures() -> None:
    inner = Details(
        "more", [Picture("second", b"2", "a"), Details("x", [Picture("third", b"3", "a")])]
    )
    part = Part([Picture("first", b"1", "a"), inner], files={"n.csv": b"0"})
    files = Page("t", [], [Section("s", "S", [part, Part([])])]).files()
    assert files == {"n.csv": b"0", "first.png": b"1", "second.png": b"2", "third.png": b"3"}


def test_a_page_may_load_nothing_and_run_its_own_script_alone() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", render(everywhere("a")), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    assert ("content", policy) in Reader(render(everywhere("a"))).attributes
