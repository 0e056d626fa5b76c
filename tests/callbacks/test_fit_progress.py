from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.callbacks import FitProgress
from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def test_a_log_has_a_line_for_each_validation(
    fit: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fit("run", callbacks=[FitProgress()], enable_progress_bar=True, epochs=2)
    lines = [line for line in capsys.readouterr().err.splitlines() if "fine-tuning" in line]
    assert [line.split(" in ")[0] for line in lines] == [
        "fine-tuning: 3 of 6",
        "fine-tuning: 6 of 6",
    ]
    assert all("train/loss" in line and "val/loss" in line for line in lines)


def test_a_fit_says_what_it_inferred_and_quiet_nothing(
    csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["fit", "--config", str(TINY), "--data.cache_dir", "cache"]
    line += [f"--data.table.source={csv}", "--data.table.target=target"]
    line += ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=true"]
    assert main([*line, "--data.progress=true"]) == 0
    facts, progress = capsys.readouterr()
    for fact in (
        "binary classification of 'target': bad ",
        "4: 2 numerical (age, income)",
        "1 categorical (colour); 1 boolean (member)",
        "96 training, 24 validation, 40 test rows, seed 0",
        "2 an epoch, SCM, ratio 0.5",
        "model     Tab2D",
    ):
        assert fact in facts
    assert "fine-tuning: 2 of 2" in progress
    assert "\r" not in progress
    assert main([*line, "--quiet"]) == 0
    output = capsys.readouterr()
    assert "fine-tuned" in output.out
    assert "columns " not in output.out
    assert not any(word in output.err for word in ("fine-tuning:", "discovery"))
