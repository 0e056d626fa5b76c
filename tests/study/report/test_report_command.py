from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.study.record import Record
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import export

Cells = Callable[..., list[Record]]
Keep = Callable[[Iterable[Record]], Store]


def test_a_folder_and_its_exported_file_give_the_same_page(
    keep: Keep, cells: Cells, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = keep(cells({"default": 0.1, "causalmixft": 0.5}, seeds=1))
    out = tmp_path / "new" / "report.html"
    assert main(["study", "report", "--store", str(store.root), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    export(store, tmp_path / "trial.jsonl.gz")
    assert main(["study", "report", "--cells", str(tmp_path / "trial.jsonl.gz")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'trial.html'}\n"
    assert (tmp_path / "trial.html").read_bytes() == out.read_bytes()
    names = {path.name for path in (tmp_path / "trial_files").iterdir()}
    assert {"cells.csv", "nano_classification_summary.csv", "methods.json"} <= names


def test_another_method_may_be_judged(keep: Keep, cells: Cells, tmp_path: Path) -> None:
    store = keep(cells({"plain": 0.1, "mixed": 0.5}, seeds=1))
    line = ["study", "report", "--store", str(store.root), "--out", str(tmp_path / "page.html")]
    assert main([*line, "--method=mixed", "--reference=plain"]) == 0
    assert "mixed in place of plain" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ([], "a report needs --store"),
        (["--store=a", "--cells=b"], "--store or --cells, got both"),
        (["--store=nowhere"], "no results at nowhere"),
        (["--cells=broken.jsonl.gz"], "no whole file of study export"),
        (["--store=."], "no folder of a study"),
        (["--config=unknown"], "no study 'unknown'"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    line: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.jsonl.gz").write_bytes(b"no gzip")
    assert main(["study", "report", *line]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1


def test_a_page_that_cannot_be_written_is_refused(
    keep: Keep, cells: Cells, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = keep(cells({"default": 0.1}, seeds=1))
    assert main(["study", "report", f"--store={store.root}", f"--out={tmp_path}"]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_results_of_different_settings_are_not_mixed(
    keep: Keep, cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    records = cells({"default": 0.1}, seeds=1)
    store = keep([*records, records[0] | {"key": "f" * 32}])
    assert main(["study", "report", f"--store={store.root}"]) == 2
    assert "made with different settings" in capsys.readouterr().err


def test_a_misspelt_method_is_refused(
    keep: Keep, cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    store = keep(cells({"default": 0.1, "causalmixft": 0.2}, seeds=1))
    assert main(["study", "report", f"--store={store.root}", "--method=causalmix"]) == 2
    assert "--method causalmix: the study has causalmixft, default" in capsys.readouterr().err


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cells").mkdir()
    assert main(["study", "report", f"--store={tmp_path}"]) == 2
    assert "of the 0 cells in" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_study_from_its_run_to_its_page(study: Any, tmp_path: Path) -> None:
    content = study(methods=["default", "jitter"], seeds=[0], ratios=[0, 0.25, 0.5])
    Path("small.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert main(["study", "run", "--config=small.yaml", "--progress=false", "--limit=5"]) == 0
    line = ["study", "report", "--config=small.yaml", "--method=jitter"]
    assert main(line) == 0
    text = (tmp_path / "runs" / "study" / "small.html").read_text(encoding="utf-8")
    # Of 8 cells 6 are different fits: a share of 0 is default fine-tuning.
    assert "8 cells: " not in text
    assert "not run yet of 8" in text
    assert main(["study", "run", "--config=small.yaml", "--progress=false"]) == 0
    assert main(line) == 0
    text = (tmp_path / "runs" / "study" / "small.html").read_text(encoding="utf-8")
    assert "8 cells: 8 finished, 0 failed, 0 not run yet of 8." in text
    for words in ("Three questions", "jitter in place of default", "A larger share of"):
        assert words in text
    assert main([*line, "--only", "table=first", "--out=half.html"]) == 0
    assert "4 cells: 4 finished, 0 failed, 0 not run yet of 4." in Path("half.html").read_text()
