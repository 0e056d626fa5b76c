"""`lit-causalmix inspect`, end to end."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.generators.base import Generator
from lit_causalmix.tables.table import Table

FAST = {
    "class_path": "lit_causalmix.generators.scm.SCMGenerator",
    "init_args": {
        "n_dags": 2,
        "n_resamples": 1,
        "alphas": [0.05],
        "mechanism": "linear",
    },
}
VOID = {"meta", "img", "br", "hr", "link", "input"}


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Independent(Generator):
    """Each column drawn on its own from the training rows; it has no causal structure."""

    def settings(self) -> dict[str, object]:
        return {}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        self.rows = train.values

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permuted(self.rows[rng.integers(len(self.rows), size=n)], axis=0)

    def save(self, folder: Path) -> None:
        np.save(folder / "rows.npy", self.rows)

    def load(self, folder: Path, train: Table) -> None:
        self.rows = np.load(folder / "rows.npy")


class Page(HTMLParser):
    """Checks that tags are balanced, and gathers what a test asks about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text, self.tags = "", []
        self.links: list[str] = []
        self.images: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        if tag == "img":
            self.images.append(given["src"] or "")
            assert given["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def inspect(source: Path | str, *args: str, generator: object = FAST) -> int:
    config = Path("inspect.yaml")
    config.write_text(
        yaml.safe_dump({"data": {"table": {"source": str(source)}, "generator": generator}})
    )
    return main(["inspect", "--config", str(config), "--data.cache_dir=cache", *args])


def test_a_page_about_a_small_csv(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(csv, "--data.table.target=target", "--out", "pages/mixed.html") == 0
    out, err = capsys.readouterr()
    assert out == "pages/mixed.html\n"
    assert "causal discovery" in err, "progress goes to stderr"
    text = Path("pages/mixed.html").read_text(encoding="utf-8")
    page = Page(text)
    for section in (
        "At a glance",
        "The table",
        "Causal structure",
        "Columns, real and synthetic",
        "Pairs of columns, real and synthetic",
        "Whole rows",
        "How this was made",
    ):
        assert section in page.text
    assert "5%" in page.text, "the share of missing cells"
    assert "2 of the 2 sampled graphs" in page.text
    assert "PC 1 of 1, FCI 1 of 1" in page.text
    files = Path("pages/mixed_files")
    names = sorted(path.stem for path in files.glob("*.png"))
    assert len(page.images) == len(names) == 7
    assert all((files / f"{name}.png").stat().st_size > 5_000 for name in names)
    quality = json.loads((files / "quality.json").read_text())
    assert quality["rows"] == {"training": 96, "held_out": 24, "synthetic": 96}
    assert quality["measures"]["column_shapes"] > 0.6
    assert list(quality["shapes"]) == ["age", "income", "colour", "member", "target"]


def test_the_page_needs_nothing_from_outside(csv: Path) -> None:
    inspect(csv, "--data.table.target=target", "--out=page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|//[a-z]", re.sub(r"base64,[\w+/=]+", "", text))
    page = Page(text)
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert page.tags.count("script") == 1, "that of the tables, which the policy allows by digest"
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)


def test_text_of_the_user_is_escaped_and_starts_no_formula(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    evil = "<script>alert('x')</script>"
    frame = pd.DataFrame(
        {
            evil: x,
            "$\\frac{$": x + rng.normal(size=120),
            'a"b & c\n\nd': rng.choice(["<b>", "$x$"], 120),
            "名前": rng.choice(["はい", "いいえ"], 120),
            "target": np.where(x > 0, "<i>yes", "no"),
        }
    )
    path = tmp_path / "evil <table>.csv"
    frame.to_csv(path, index=False)
    assert inspect(path, "--data.table.target=target", "--out=page.html") == 0
    text = Path("page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1, "the page's own"
    assert not {"b", "i", "table>"} & set(page.tags)
    assert evil in page.text, "shown as it is written"
    assert "名前" in page.text


def test_regression_gaps_and_useless_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=150)
    frame = pd.DataFrame(
        {
            "x": x,
            "constant": 3,
            "empty": np.nan,
            "twin": x,
            "id": np.arange(150),
            "gaps": np.where(rng.random(150) < 0.5, np.nan, x.round(2)),
            "y": 2 * x + rng.normal(size=150),
        }
    )
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)
    assert inspect(path, "--data.table.target=y") == 0
    text = Page(Path("runs/inspect/wide.html").read_text(encoding="utf-8")).text
    for words in (
        "Column 'constant': constant in the training rows.",
        "Column 'id': nearly every row has a value of its own",
        "left out, no cell in the training rows: 'empty'",
        "of the cells missing",
        "twin: duplicate",
        "constant: constant",
        "R² on the validation rows",
    ):
        assert words in text, words


def test_a_generator_without_structure(csv: Path) -> None:
    kind = f"{Independent.__module__}.Independent"
    sys.modules.setdefault(Independent.__module__, sys.modules[__name__])
    assert inspect(csv, "--data.table.target=target", "--out=page.html", generator=kind) == 0
    text = Page(Path("page.html").read_text(encoding="utf-8")).text
    assert "Causal structure" not in text
    assert "rows from Independent" in text


def test_it_shares_the_cache_and_the_configurations_of_fit(csv: Path) -> None:
    fit = Path(__file__).parents[1] / "conf" / "tiny.yaml"
    line = ["--config", str(fit), f"--data.table.source={csv}", "--data.table.target=target"]
    assert main(["inspect", *line, "--data.cache_dir=cache", "--out=page.html"]) == 0
    before = sorted(path.name for path in Path("cache").iterdir())
    first = Path("page.html").read_bytes()
    assert main(["inspect", *line, "--data.cache_dir=cache", "--out=page.html"]) == 0
    assert sorted(path.name for path in Path("cache").iterdir()) == before
    entries = [name for name in before if not name.endswith(".lock")]
    assert len(entries) == 2, "the generator, and the parts that others share"
    assert "parts" in entries
    assert Path("page.html").read_bytes() == first, "same seed, same bits"


def test_test_rows_change_nothing_but_their_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=120)
    frame = pd.DataFrame(
        {
            "x": x,
            "c": rng.choice(["a", "b"], 120),
            "part": np.repeat(["train", "val", "test"], 40),
            "y": np.where(x + rng.normal(size=120) > 0, "yes", "no"),
        }
    )
    pages = []
    for number in range(2):
        path = tmp_path / str(number) / "table.csv"
        path.parent.mkdir()
        frame.to_csv(path, index=False)
        frame.loc[80:, "x"] += 100
        options = ("--data.table.target=y", "--data.table.split_column=part")
        assert inspect(path, *options, f"--out={number}.html") == 0
        pages.append(Path(f"{number}.html").read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--data.table.source=absent.csv", "--data.table.target=y"], "absent.csv"),
        (["--data.table.target=tarjet"], "tarjet"),
        (["--data.table.target=target", "--data.split.val_fraction=0"], "data.split.val_fraction"),
        (["--data.table.target=target", "--data.tabel.source=x"], "tabel"),
        (["--data.table.target=target", "--out=."], "--out"),
        (["--data.table.target=target", "--out=inspect.yaml/x.html"], "cannot be written"),
        (["--data.table.target=target", "--data.generator.init_args.n_dags=0"], "n_dags"),
        (["--config=absent.yaml"], "absent.yaml"),
    ],
)
def test_bad_input_is_one_clear_line(
    csv: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
) -> None:
    assert inspect(csv, *options) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("lit-causalmix: error: ")
    assert expected in last
    assert not list(Path().glob("**/*.html"))


def test_help_names_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "inspect" in capsys.readouterr().out


@pytest.mark.parametrize("named", [True, False])
def test_a_generator_asks_the_backbone_of_the_fit_and_shares_its_cache(
    make_frame: Any, named: bool
) -> None:
    make_frame(n=80).to_csv("t.csv", index=False)
    config = yaml.safe_load((Path(__file__).parents[1] / "conf" / "tiny.yaml").read_text())
    tabebm = {"class_path": "lit_causalmix.generators.TabEBMGenerator", "init_args": {"n_steps": 2}}
    config["data"] |= {"generator": tabebm, "cache_dir": "cache", "synthetic_size": 1.0}
    if not named:
        config["model"]["backbone"] = None
    Path("c.yaml").write_text(yaml.safe_dump(config))
    table = ["--config=c.yaml", "--data.table.source=t.csv", "--data.table.target=target"]
    assert main(["fit", *table, "--trainer.max_steps=2"]) == 0
    before = {path.name for path in Path("cache").rglob("*") if path.is_dir()}
    assert main(["inspect", *table, "--out=page.html"]) == 0
    assert {path.name for path in Path("cache").rglob("*") if path.is_dir()} == before
