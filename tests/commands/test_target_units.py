"""Scores of a regression are those of the table's own numbers, whatever their unit and origin."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def report(table: pd.DataFrame, folder: Path, *more: str) -> dict[str, Any]:
    """Fits a small model on a table; returns "domain/metric" → fine-tuned score of the test."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(Path().rglob("report.json"))
    table.to_csv(folder / "t.csv", index=False)
    arguments = [
        *("fit", "--config", str(TINY), "--data.cache_dir", "cache"),
        *("--model.backbone.init_args.task", "regression", "--data.synthetic_ratio", "0"),
        *("--data.table.source", str(folder / "t.csv"), "--data.table.target", "target"),
        *("--data.table.kinds", "{target: numerical}", *more),
    ]
    assert main(arguments) == 0
    (file,) = set(Path().rglob("report.json")) - before
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    scores = {f"{r['domain']}/{r['metric']}": r for r in rows if r["stage"] == "test"}
    return {key: row["fine_tuned"]["value"] for key, row in scores.items()}


@pytest.fixture
def scores(make_frame: Callable[..., pd.DataFrame], tmp_path: Path) -> dict[str, Any]:
    return report(make_frame(n=120, regression=True), tmp_path / "plain")


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(1e8, 1.0), (1.7e9, 1.0), (0.0, 1e-50), (0.0, 1e45), (0.0, 1e-90), (0.0, 1e90), (-3e9, 7.0)],
)
def test_scores_follow_the_target_to_another_unit(
    make_frame: Callable[..., pd.DataFrame],
    tmp_path: Path,
    scores: dict[str, Any],
    shift: float,
    scale: float,
) -> None:
    table = make_frame(n=120, regression=True)
    table["target"] = shift + scale * table["target"]
    moved = report(table, tmp_path / "moved")
    assert moved["real/r2"] == pytest.approx(scores["real/r2"], abs=1e-3)
    assert moved["real/rmse"] / scale == pytest.approx(scores["real/rmse"], rel=1e-3)
    assert moved["real/mae"] / scale == pytest.approx(scores["real/mae"], rel=1e-3)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_one_enormous_target_does_not_cost_the_report(
    make_frame: Callable[..., pd.DataFrame], tmp_path: Path, part: str
) -> None:
    table = make_frame(n=120, regression=True)
    table["part"] = np.repeat(["train", "val", "test"], 40)
    table.loc[table.index[table["part"] == part][3], "target"] = 1e60
    scores = report(table, tmp_path, "--data.table.split_column", "part")
    if part == "test":
        assert scores["real/rmse"] == pytest.approx(1e60 / np.sqrt(40), rel=1e-6)
    assert np.isfinite(scores["real/rmse"])
