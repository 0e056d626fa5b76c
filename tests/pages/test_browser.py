"""The pages in a real browser: those of `inspect`, of a study, of a fit and of a fit of folds."""

import base64
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main

sync_api = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is absent")

CONF = Path(__file__).parents[1] / "conf"
NAMES = ("inspect", "study", "fit", "folds")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (390, 1280)
FEW_GRAPHS = {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"}
LONG = "a_name_without_any_place_to_break_it_" * 4


def write_table(path: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    age, colour = generator.normal(40, 9, 120), generator.choice(["red", "blue", LONG], 120)
    good = age + 9 * (colour == "red") + generator.normal(0, 5, 120) > 42
    target = np.where(good, "good", "bad")
    frame = pd.DataFrame({"age": age, "<b>colour</b>": colour, LONG: age**2, "target": target})
    frame.to_csv(path, index=False)


def make_pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Runs the four commands in the working directory."""
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    write_table("first.csv", 0)
    write_table("second.csv", 1)
    table = ["--data.table.source=first.csv", "--data.table.target=target"]
    generator = {"class_path": "lit_causalmix.generators.SCMGenerator", "init_args": FEW_GRAPHS}
    Path("few.yaml").write_text(yaml.safe_dump({"data": {"generator": generator}}))
    assert main(["inspect", *table, "--config", "few.yaml", "--out", "inspect.html"]) == 0
    fit = ["fit", "--config", str(CONF / "tiny.yaml"), "--data.cache_dir=cache", *table]
    assert main([*fit, "--data.val_synthetic_rows=40", "--data.table.domain=retail"]) == 0
    assert main([*fit, "--quiet", "--folds=2", "--data.synthetic_ratio=0"]) == 0
    content = yaml.safe_load((CONF / "study.yaml").read_text(encoding="utf-8"))
    methods = {name: content["methods"][name] for name in ("default", "jitter")}
    Path("grid.yaml").write_text(yaml.safe_dump(content | {"methods": methods, "seeds": [0]}))
    assert main(["study", "run", "--config", "grid.yaml", "--threads=1"]) == 0
    report = ["study", "report", "--store", "runs/study/grid", "--method", "jitter"]
    assert main([*report, "--out", "study.html"]) == 0
    runs = Path("runs", "fit")
    found = {name: Path(f"{name}.html") for name in ("inspect", "study")}
    for number, name in enumerate(("fit", "folds")):
        found[name] = runs / f"version_{number}" / "report.html"
    return {name: path.resolve() for name, path in found.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    # As root, as in a container, Chromium starts without its sandbox alone; the pages are ours.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name → page, made by the commands themselves; not without a browser to show them."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path_factory.mktemp("pages"))
        return make_pages(monkeypatch)


Open = Callable[..., Any]


@pytest.fixture
def shown(browser: Any, pages: dict[str, Path]) -> Iterator[Open]:
    """Opens a page by its name; what it asks for elsewhere, or gets wrong, fails the test."""
    contexts, faults = [], []

    def show(name: str, *, width: int = 1280, **settings: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        address = pages[name].as_uri()
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on(
            "console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.partition("#")[0] == address or asked.url.startswith("data:")
                else faults.append(f"asked for {asked.url}")
            ),
        )
        page.goto(address)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not faults


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_sticks_out_whatever_is_opened(shown: Open, name: str, width: int) -> None:
    page = shown(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wider = """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.wide, figure'))
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(wider) == []


CONTRASTS = """() => {
  const channel = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
  const behind = e => {
    for (let at = e; at; at = at.parentElement) {
      const c = parts(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
  };
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode, e = text.parentElement;
    if (!text.data.trim() || !e.checkVisibility()) continue;
    const a = light(parts(getComputedStyle(e).color)) + .05, b = light(behind(e)) + .05;
    found.push([Math.max(a / b, b / a), text.data.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_in_light_and_in_dark(shown: Open, name: str, scheme: str) -> None:
    page = shown(name, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert [entry for entry in found if entry[0] < 4.5] == []
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (bright == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_says_in_words_what_it_shows(shown: Open, name: str) -> None:
    page = shown(name)
    found = page.evaluate("[...document.images].map(i => [i.alt, i.complete, i.naturalWidth])")
    assert found
    for alt, complete, pixels in found:
        assert len(alt.split()) >= 3
        assert complete
        assert pixels > 100


@pytest.mark.parametrize("name", NAMES)
def test_all_is_there_without_scripts(shown: Open, name: str) -> None:
    plain = shown(name, java_script_enabled=False)
    with_script = shown(name)
    assert plain.locator("button").count() == 0
    for page in (plain, with_script):
        sections = page.locator("section").all()
        assert sections
        assert all(len(section.inner_text()) > 10 for section in sections)
        links = [link.get_attribute("href") for link in page.locator("nav a").all()]
        assert links == [f"#{section.get_attribute('id')}" for section in sections]
    cells = "td, p, li, pre, summary"
    assert (
        plain.locator(cells).all_text_contents() == with_script.locator(cells).all_text_contents()
    )


def column(table: Any, title: str) -> list[str]:
    heads = [text.strip() for text in table.locator("th").all_text_contents()]
    cells = table.locator(f"tbody td:nth-child({heads.index(title) + 1})")
    found: list[str] = cells.all_text_contents()
    return found


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("%", "")) for text in texts]


def test_a_click_on_a_title_sorts_by_its_numbers(shown: Open) -> None:
    page = shown("fit")
    table = page.locator("#scores table").first
    before = numbers(column(table, "normalised"))
    assert before != sorted(before), "the table would show nothing"
    rows = sorted(table.locator("tbody tr").all_text_contents())
    title = table.locator("th", has_text="normalised")
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") == "ascending"
    assert numbers(column(table, "normalised")) == sorted(before)
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") == "descending"
    assert numbers(column(table, "normalised")) == sorted(before, reverse=True)
    assert sorted(table.locator("tbody tr").all_text_contents()) == rows, "whole rows move"


def test_the_keyboard_sorts_as_well_and_one_title_alone_is_marked(shown: Open) -> None:
    page = shown("fit")
    table = page.locator("#scores table").first
    table.locator("th", has_text="zero-shot").get_by_role("button").click()
    metric = table.locator("th", has_text="metric")
    metric.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert metric.get_attribute("aria-sort") == "ascending"
    assert table.locator("th[aria-sort]").count() == 1
    names = column(table, "metric")
    assert names == sorted(names)
    page.keyboard.press("Space")
    assert column(table, "metric") == names[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_copied_as_tab_separated_text(shown: Open, name: str) -> None:
    page = shown(name)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = page.locator(".table").first
    rows = box.locator("tr")
    box.get_by_role("button", name="Copy table").click()
    box.get_by_role("button", name="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    lines = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    assert len(lines) == rows.count()
    assert lines == [
        [" ".join(cell.split()) for cell in row.locator("th, td").all_text_contents()]
        for row in rows.all()
    ]


def test_the_page_of_a_fit_tells_what_the_fit_tells(pages: dict[str, Path], shown: Open) -> None:
    page = shown("fit")
    said = page.locator("main").inner_text()
    assert "Test rows: roc_auc" in said
    for text in ("random forest", "boosting", "synthetic", "model.selection", "seed 0"):
        assert text in said
    assert "seed_everything: 0" in page.locator("#settings pre").text_content()
    folder = pages["fit"].parent
    (picture,) = page.locator("#curves img").all()
    embedded = picture.get_attribute("src").removeprefix("data:image/png;base64,")
    assert base64.b64decode(embedded) == (folder / "curves.png").read_bytes()


def test_the_page_of_folds_tells_of_all_folds(shown: Open) -> None:
    said = shown("folds").locator("main").inner_text()
    assert "All folds together" in said
    assert "averages the predictions of its 2 members" in said
