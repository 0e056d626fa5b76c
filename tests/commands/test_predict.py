"""`predict` for few rows, and labels that are formulas to a spreadsheet."""

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
LABELS = ["=1+1|cmd", "@sum", "-2+3", "plain"]


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    values = np.arange(48.0)
    table = pd.DataFrame({"x": values, "z": values % 5, "target": np.repeat(LABELS, 12)})
    table.to_csv("t.csv", index=False)
    return table


def predicted(rows: int, *more: str) -> list[list[str]]:
    pd.read_csv("t.csv").head(rows).to_csv("new.csv", index=False)
    arguments = [
        *("predict", "--config", str(TINY), "--data.cache_dir", "cache"),
        *("--data.table.source", "t.csv", "--data.table.target", "target"),
        *("--data.predict_source", "new.csv", *more),
    ]
    assert main(arguments) == 0
    (file,) = Path().rglob("predictions.csv")
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize("rows", [1, 2])
def test_one_row_is_predicted_as_many_are(rows: int) -> None:
    header, *lines = predicted(rows)
    assert len(lines) == rows
    assert header == ["prediction", *(f"probability_{label}" for label in sorted(LABELS))]
    assert sum(map(float, lines[0][1:])) == pytest.approx(1, abs=1e-5)


def test_one_row_of_a_regression_is_predicted(table: pd.DataFrame) -> None:
    table.assign(target=1e9 + table["x"]).to_csv("t.csv", index=False)
    _, line = predicted(1, "--model.backbone.init_args.task", "regression")
    assert 1e9 - 100 < float(line[0]) < 1e9 + 150
    assert float(line[0]) % 64 != 0  # float32 knows multiples of 64 alone up there


@pytest.mark.parametrize("escape", [False, True])
def test_labels_are_written_as_they_are_or_made_harmless_on_request(escape: bool) -> None:
    option = (
        "--trainer.callbacks=[{class_path: PredictionWriter, init_args: {escape_formulas: %s}}]"
    )
    _, *lines = predicted(48, option % str(escape).lower())
    found = {line[0] for line in lines}
    assert found <= {f"'{x}" if escape and x != "plain" else x for x in LABELS}
    assert found - {"plain"}
