"""No generator is fitted for a run that is refused, nor for a command that draws no row of it."""

import sys
from pathlib import Path

import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
CACHE = Path("cache")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def run(command: str, *more: str) -> int:
    return main(
        [
            *(command, "--config", str(TINY), "--data.cache_dir", str(CACHE), "--quiet"),
            *("--data.table.source", "mixed.csv", "--data.table.target", "target", *more),
        ]
    )


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        ("fit", ["--data.episode_rows=5000"], "the training split has 96: lower episode_rows"),
        ("fit", ["--data.split.val_fraction=0"], "the table has no val rows"),
        ("fit", ["--data.split.val_fraction=0", "--data.val_synthetic_rows=9"], "no val rows"),
        (
            "fit",
            ["--data.split.test_fraction=0", "--trainer.callbacks+=ScoreTrajectory"],
            "ScoreTrajectory scores test rows, and there are none",
        ),
        (
            "validate",
            ["--data.split.val_fraction=0", "--data.val_synthetic_rows=9"],
            "the table has no val rows",
        ),
        ("test", ["--data.split.test_fraction=0"], "the table has no test rows"),
        ("predict", [], "nothing to predict: set data.predict_source"),
        ("predict", ["--data.predict_source=nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_is_refused_is_refused_before_it(
    command: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, *more) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert message in errors[0]
    assert not CACHE.exists()


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("test", []),
        ("validate", []),
        ("predict", ["--data.predict_source=mixed.csv"]),
        ("predict", ["--data.predict_source=mixed.csv", "--data.val_synthetic_rows=9"]),
        # Its training episodes need synthetic rows, and nothing is trained.
        ("test", ["--data.episode_rows=120"]),
    ],
)
def test_real_rows_are_scored_without_it(command: str, more: list[str]) -> None:
    assert run(command, *more) == 0
    assert not CACHE.exists()


def test_synthetic_rows_are_scored_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("validate", "--data.val_synthetic_rows=9") == 0
    assert "synthetic" in capsys.readouterr().out
    assert CACHE.is_dir()
