"""Places that take no results: one line, an exit status that says so, and nothing half-written."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import main

KEPT = str(Path(__file__).parents[1] / "reference" / "kept_study" / "cells.jsonl.gz")

MakeStudy = Callable[..., dict[str, Any]]


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line about an error."""
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if line.startswith("lit-causalmix: error: ")]
    assert not [line for line in lines if "Traceback" in line]
    return line


def half_written(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name.startswith("."))


@pytest.fixture
def grid(study: MakeStudy) -> str:
    """A study of one short cell."""
    content = study(methods=["default"], seeds=[0])
    content["tables"] = content["tables"][:1]
    Path("grid.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return "grid.yaml"


@pytest.mark.parametrize("command", ["merge", "run", "status", "export"])
@pytest.mark.parametrize("place", ["file", "file/below", "gone", "gone/below", "loop"])
def test_a_path_that_is_no_folder_is_said(
    command: str, place: str, grid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("mine")
    Path("gone").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    given = [KEPT] if command == "merge" else ["--config", grid]
    assert main(["study", command, *given, "--out", place]) == 2
    assert place.partition("/")[0] in told(capsys)
    assert Path("file").read_text() == "mine"
    assert not Path("nowhere").exists()


def test_a_full_disk_ends_a_merge_with_whole_results(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "merge", KEPT, "--out", str(small_disk / "out")]) == 2
    assert "cannot be written: " in told(capsys)
    kept = list((small_disk / "out" / "cells").iterdir())
    assert kept
    assert not list(half_written(small_disk))
    page = f"--out={tmp_path / 'page.html'}"
    assert main(["study", "report", "--store", str(small_disk / "out"), page]) == 0


def test_a_read_only_disk_takes_no_results(
    read_only_disk: Path, capsys: pytest.CaptureFixture[str], grid: str
) -> None:
    for command in (["merge", KEPT], ["run", "--config", grid]):
        assert main(["study", *command, "--out", str(read_only_disk / "out")]) == 2
        assert "Read-only file system" in told(capsys)


def test_a_full_disk_ends_a_study_which_goes_on_elsewhere(
    small_disk: Path, grid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "filled").write_bytes(b"x" * (60 << 10))
    out = small_disk / "out"
    command = ["study", "run", "--config", grid, "--progress=false", "--threads=1", "--out"]
    assert main([*command, str(out)]) == 2
    assert "cannot be written: " in told(capsys)
    assert not list((out / "cells").glob("*"))
    assert not list(half_written(small_disk))
    (small_disk / "filled").unlink()
    assert main([*command, str(out)]) == 0


def test_a_full_place_for_temporary_files_fails_no_cell(
    read_only_disk: Path,
    grid: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["study", "run", "--config", grid, "--progress=false", "--threads=1", "--out=out"]
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(read_only_disk))
        assert main(command) == 2
    line = told(capsys)
    assert f"{read_only_disk}/lit-causalmix-cell-" in line
    assert "Read-only file system; every finished cell is kept" in line
    assert not list(Path("out", "cells").glob("*"))
    assert main(command) == 0  # the same command goes on


def test_an_export_that_cannot_be_written_is_one_line(
    grid: str, read_only_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder").mkdir()
    for place in ("folder", str(read_only_disk / "x.gz"), "grid.yaml/x.gz"):
        assert main(["study", "export", "--config", grid, "--to", place]) == 2
        assert "cannot be written" in told(capsys)


@pytest.mark.parametrize("source", [{"path": "first.csv"}, ["first.csv"], 3, None, True])
def test_a_source_that_is_no_text_is_one_line(
    source: Any, study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    content = study(tables=[{"source": source, "target": "target"}])
    Path("grid.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for command in ("status", "run"):
        assert main(["study", command, "--config", "grid.yaml"]) == 2
        assert "a table needs a source, the name or path of one table, got" in told(capsys)
