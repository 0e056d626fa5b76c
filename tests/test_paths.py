import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_causalmix.commands.main import main
from lit_causalmix.paths import safe_name

TINY = Path(__file__).parent / "conf" / "tiny.yaml"
HOSTILE = [
    "../../outside",
    "/tmp/outside",
    "..",
    ".hidden",
    "a" * 300,
    "con",
    "C:\\x",
    "line\nbreak",
    "nul\x00byte",
    "-rf",
    "~root",
    "日本語",
    "$\\frac{$",
]


@given(st.text(max_size=400))
def test_any_text_becomes_the_name_of_one_file(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", safe)
    assert not safe.endswith(".")
    assert safe_name(safe) == safe
    assert Path(safe).name == safe


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_names_stay_two(one: str, two: str) -> None:
    assert (safe_name(one) == safe_name(two)) == (one == two)


@pytest.mark.parametrize("name", ["german_credit", "v1.2", "openml_31", "a-b", "x" * 80])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["con", "AUX.csv", "lpt1", "x.", "", "a b"])
def test_names_that_some_system_refuses_are_changed(name: str) -> None:
    assert safe_name(name) != name


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_command_writes_outside_of_its_folders_whatever_the_tables_name(
    name: str, csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "deep" / "deeper" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    before = set(tmp_path.rglob("*"))
    table = [f"--data.table.source={csv}", "--data.table.target=target"]
    named = ["--config", str(TINY), *table, f"--data.table.name={name}", "--data.cache_dir=cache"]
    assert main(["inspect", *named]) == 0
    assert main(["fit", *named, "--trainer.max_epochs=1"]) == 0
    made = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(work).parts[0] for path in made} == {"cache", "runs"}
    assert len(list((work / "runs" / "inspect").glob("*.html"))) == 1
    assert (work / "runs" / "fit" / "version_0" / "report.json").is_file()


def test_column_names_are_no_paths_either(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.read_csv(csv)
    frame.columns = pd.Index(["../../a", "$\\frac{", "x\ny", "b" * 300, "target"])
    frame.to_csv("hostile.csv", index=False)
    before = set(tmp_path.rglob("*"))
    table = ["--data.table.source=hostile.csv", "--data.table.target=target"]
    assert main(["inspect", "--config", str(TINY), *table, "--data.cache_dir=cache"]) == 0
    made = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(tmp_path).parts[0] for path in made} == {"cache", "runs"}
