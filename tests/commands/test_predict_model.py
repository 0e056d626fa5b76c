"""`predict --model`: what it refuses, notes and makes harmless."""

import os
from pathlib import Path

import pandas as pd
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.callbacks import PredictionWriter
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.model import Member, Predictor
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits


@pytest.fixture(autouse=True)
def line(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line with a model of the table and rows for it."""
    monkeypatch.chdir(tmp_path)
    spec = TableSpec(frame, target="target")
    train = load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0)).train
    Predictor([Member(Nano(), Encoder.fit(train), train, 1024)], spec, {}).save("RUN/model")
    frame.drop(columns="target").head(4).to_csv("new.csv", index=False)
    return ["predict", "--model", "RUN/model", "new.csv"]


@pytest.mark.parametrize("out", ["new.csv", "./new.csv", "RUN/../new.csv", "link.csv"])
def test_the_rows_are_not_written_over(
    line: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.symlink("new.csv", "link.csv")
    before = Path("new.csv").read_bytes()
    line[2] = "nowhere"  # it is said before anything is read
    assert main([*line, "--out", out]) == 2
    assert f"--out {Path(out)} is the file of the rows, new.csv" in capsys.readouterr().err
    assert Path("new.csv").read_bytes() == before


@pytest.mark.parametrize("out", ["p.csv.gz", "p.parquet", "p.XLSX", "p.json"])
def test_the_name_of_another_format_is_refused(
    line: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line[2] = "nowhere"  # it is said before anything is read
    assert main([*line, "--out", out]) == 2
    assert f"plain CSV, and {out} ends with {Path(out).suffix}" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="plain CSV"):
        PredictionWriter(path=out)


def test_kept_text_is_made_harmless_with_the_labels(line: list[str], frame: pd.DataFrame) -> None:
    notes = ["=HYPERLINK(1)", "-2.5", "-2+3", "fine"]
    rows = frame.drop(columns="target").head(4).assign(**{"note": notes, "@more": "x"})
    rows.to_csv("new.csv", index=False)
    for more, expected in (([], notes), (["--escape-formulas"], [])):
        assert main([*line, "--keep", "note", "@more", "--out", "p.csv", *more]) == 0
        found = pd.read_csv("p.csv", dtype=str)
        assert list(found)[:2] == ["note", "'@more" if more else "@more"]
        harmless = expected or ["'=HYPERLINK(1)", "-2.5", "'-2+3", "fine"]
        assert found["note"].tolist() == harmless
    assert main([*line, "--out", "plain.csv", "--escape-formulas"]) == 0
    assert pd.read_csv("plain.csv", dtype=str).equals(found.iloc[:, 2:])


def test_what_is_ignored_is_a_note(
    line: list[str], frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = frame.drop(columns="target").head(4).assign(street="x", colour="mauve")
    rows.to_csv("new.csv", index=False)
    assert main(line) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first == "lit-causalmix: note: columns that training did not use: 'street'"
    assert second.startswith("lit-causalmix: note: column 'colour': 4 cell(s) hold categories")


def test_the_folder_of_a_run_names_its_model(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line[2] = "RUN"
    assert main(line) == 2
    model = Path("RUN", "model")
    assert f"RUN is the folder of a run: its model is {model}" in capsys.readouterr().err
