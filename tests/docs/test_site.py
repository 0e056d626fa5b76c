"""The site is built without a warning, and its reference is what the code says."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx", reason="the extra docs is not installed")

Extensions = Callable[[str], Any]
DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> Extensions:
    monkeypatch.syspath_prepend(DOCS / "extensions")
    return importlib.import_module


def test_options_are_those_of_the_parsers(extensions: Extensions) -> None:
    reference = extensions("command_reference")
    texts = reference._texts(reference.parser_of(["fit"]))
    written, described = texts["data.synthetic_ratio"]
    assert written == "--data.synthetic_ratio SYNTHETIC_RATIO"
    assert "0 is default fine-tuning" in described
    assert "default: 0.5" in described
    assert all(text.isprintable() for pair in texts.values() for text in pair)
    assert {*reference.subparsers(reference.parser_of(["weights"]))} == {"pull", "list", "path"}
    assert "retry_failed" in reference._texts(reference.parser_of(["study", "run"]))


def test_a_parser_is_as_before_once_it_was_taken_out(extensions: Extensions) -> None:
    parser = extensions("command_reference").parser_of(["predict_model"])
    assert parser.parse_args(["new.csv", "--model", "folder"]).rows == "new.csv"


def test_the_name_of_a_group_is_what_its_settings_have_in_common(extensions: Extensions) -> None:
    common = extensions("command_reference")._common_part
    assert common(["data.table.source", "data.table.kinds"]) == "data.table"
    assert common(["trainer", "trainer.devices"]) == "trainer"
    assert common(["ckpt_path", "weights_only"]) == ""


def test_every_package_with_a_public_face_has_a_page(
    extensions: Extensions, tmp_path: Path
) -> None:
    pages = extensions("api_pages")
    (tmp_path / "gone.md").write_text("of an older version")
    pages.write_pages(tmp_path)
    written = {path.name.removesuffix(".md") for path in tmp_path.glob("*.md")}
    assert {"index", "lit_causalmix", "lit_causalmix.backbones", "lit_causalmix.tables"} <= written
    assert "gone" not in written
    assert all(name in (tmp_path / "index.md").read_text() for name in written - {"index"})


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "read"]
    built = subprocess.run(
        [*command, DOCS, tmp_path / "site"], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    for notebook in ("five-lines", "mixing", "structure", "own-parts"):
        shown = (tmp_path / "site" / "notebooks" / f"{notebook}.html").read_text(encoding="utf-8")
        assert "cell_output" in shown  # it was run
        assert "<img alt=" in shown
    page = (tmp_path / "site" / "cli.html").read_text(encoding="utf-8")
    assert "fit-data-synthetic-ratio" in page
    generators = (tmp_path / "site" / "api" / "lit_causalmix.generators.html").read_text("utf-8")
    assert 'id="lit_causalmix.generators.SCMGenerator.counterfactual"' in generators
