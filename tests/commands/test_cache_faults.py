"""A cache that cannot be written, through the command line: one line that says what moves it."""

import contextlib
import sys
from pathlib import Path

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.paths import CACHE_VARIABLE

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def refused(capsys: pytest.CaptureFixture[str], csv: Path, *options: str) -> str:
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}"]
    status = main([*line, "--data.table.target=target", "--trainer.max_epochs=1", *options])
    captured = capsys.readouterr()
    said = [s for s in captured.err.splitlines() if s.startswith("lit-causalmix: error: ")]
    assert status == 2
    assert len(said) == 1, captured.err
    assert "Traceback" not in captured.err + captured.out
    assert "data.cache_dir, or LIT_CAUSALMIX_CACHE in the environment" in said[0]
    return said[0]


def test_a_cache_folder_that_is_a_file(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cache").write_text("")
    assert "cache" in refused(capsys, csv, "--data.cache_dir=cache")
    assert Path("cache").read_text() == ""


def test_a_disk_that_is_full(
    csv: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(1 << 20))
    said = refused(capsys, csv, f"--data.cache_dir={small_disk}")
    assert "No space left on device" in said
    with (small_disk / "filler").open("rb+") as filler:
        filler.truncate(56 << 10)  # there is room for a lock and the edges, and not for all
    said = refused(capsys, csv, f"--data.cache_dir={small_disk}")
    assert "No space left on device" in said
    left = [p for p in small_disk.rglob("*") if p.is_file() and p.suffix != ".lock"]
    whole = {p.parent for p in left if p.name == "manifest.json"}
    assert {p.parent for p in left if p.name != "filler"} == whole


def test_a_home_folder_that_is_read_only(
    csv: Path,
    read_only_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(read_only_disk))
    said = refused(capsys, csv)
    assert str(read_only_disk) in said
    assert "Read-only file system" in said
