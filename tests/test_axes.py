"""Every axis is one class and one YAML: a class from outside the package needs no change in it."""

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.errors import TableError
from lit_causalmix.generators.parts.cache import fit_or_load
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.sources import read_source

TOYS = Path(__file__).parent / "toys"
TINY = Path(__file__).parent / "conf" / "tiny.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(TOYS)
    return tmp_path


def fit(folder: Path, csv: Path | None, axis: str, *options: str) -> dict[str, Any]:
    """Fits with the axis's YAML, on its table or on that of a file; returns the report."""
    command = ["fit", "--config", str(TINY), "--config", str(TOYS / f"{axis}.yaml")]
    table = [f"--data.table.source={csv}", "--data.table.target=target"] if csv else []
    assert main([*command, *table, f"--data.cache_dir={folder / 'cache'}", *options]) == 0
    (report,) = folder.rglob("report.json")
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return content


def test_a_generator(folder: Path, csv: Path) -> None:
    report = fit(folder, csv, "generator")
    assert "Shuffled" in report["title"]
    assert [p for p in (folder / "cache").iterdir() if (p / "rows.txt").is_file()]


def test_an_edited_generator_is_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(shutil.copy(TOYS / "toys.py", tmp_path / "edited_toys.py"))
    monkeypatch.syspath_prepend(tmp_path)
    train = load_splits(TableSpec("sklearn:iris"), SplitSpec()).train
    source, kept = file.read_text(encoding="utf-8"), []
    for edit in ("", "", "# edited"):
        file.write_text(f"{source}{edit}", encoding="utf-8")
        sys.modules.pop("edited_toys", None)
        generator = importlib.import_module("edited_toys").Shuffled()
        kept.append(fit_or_load(generator, train, seed=0, root=tmp_path / "cache", progress=False))
    assert kept[0] == kept[1] != kept[2]


def test_a_backbone(folder: Path, csv: Path) -> None:
    report = fit(folder, csv, "backbone", "--data.synthetic_ratio=0", "--model.optimizer.lr=0.1")
    scores = {row["metric"]: row for row in report["rows"] if row["domain"] == "real"}
    assert scores["roc_auc"]["zero_shot"]["value"] > 0.6


def test_a_metric(folder: Path, csv: Path) -> None:
    report = fit(folder, csv, "metric")
    rows = [row for row in report["rows"] if row["metric"] == "top_two"]
    assert {row["domain"] for row in rows} >= {"real"}
    for row in rows:  # of two classes each is among the two most probable
        assert row["fine_tuned"]["value"] == row["zero_shot"]["value"] == 1.0
        assert row["normalized"]["value"] == 0.0
    assert all(point["top_two"] == 1.0 for point in report["history"])


def test_a_selection(folder: Path, csv: Path) -> None:
    assert fit(folder, csv, "selection")["best_step"] == 0  # nothing halves the loss in two epochs


def test_a_schedule(folder: Path, csv: Path) -> None:
    assert "square" in fit(folder, csv, "schedule")["title"]


def test_a_callback(folder: Path, csv: Path) -> None:
    fit(folder, csv, "callback")
    assert len((folder / "diary.txt").read_text().splitlines()) == 2


def test_a_table_source(folder: Path) -> None:
    report = fit(folder, None, "source")
    assert "letters" in report["title"]
    assert "language" in {row["domain"] for row in report["rows"]}
    raw = read_source(TableSpec("letters:5"))  # by its prefix, now that it is imported
    assert len(raw.frame) == 5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("toys.Missing:3", "names no class toys.Missing"),
        ("no_such_module.Source:3", "names no class no_such_module.Source"),
        ("os.system:true", "names os.system, which is no TableSource"),
        ("toys.Shuffled:3", "names toys.Shuffled, which is no TableSource"),
    ],
)
def test_what_is_no_table_source_is_refused(folder: Path, source: str, reason: str) -> None:
    with pytest.raises(TableError, match=reason):
        read_source(TableSpec(source))
