"""Output that cannot take every character loses nothing of a fit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def line(source: str) -> list[str]:
    return [
        *("fit", "--config", str(TINY), "--data.cache_dir", "cache", "--quiet"),
        *("--data.table.source", source, "--data.table.target", "target"),
        *("--data.synthetic_ratio", "0"),
    ]


def test_arrows_end_no_fit_where_the_output_is_not_utf_8() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "lit_causalmix", *line("mixed.csv")],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert b"roc_auc ?" in result.stdout
    assert Path("runs/fit/version_0/model/model.json").is_file()


def test_bytes_of_a_file_name_that_are_no_text_end_no_fit(
    csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = os.fsdecode(b"h\xff.csv")
    try:
        csv.rename(source)
    except OSError:
        pytest.skip("this file system takes text alone as names")
    assert main(line(source)) == 0
    assert "h?: real rows only, test rows" in capsys.readouterr().out
    assert Path("runs/fit/version_0/model/model.json").is_file()
