"""Selecting weights anew gives what a fit with that selection gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.record import Record
from lit_causalmix.study.reselection import reselected
from lit_causalmix.study.store import Store

GAIN = 0.4
CAUTIOUS = {
    "config": "baselines/jitter",
    "model": {
        "selection": {
            "class_path": "lit_causalmix.training.selection.CautiousValidation",
            "init_args": {"min_gain": GAIN},
        }
    },
}


def record(*gains: float, **fields: Any) -> Record:
    """Checkpoints with these gains on validation, twice as large on the test rows."""
    points = [
        {"step": 6 * i, "val": {"roc_auc": g, "log_loss": 0.0}, "test": {"roc_auc": 2 * g}}
        for i, g in enumerate((0.0, *gains))
    ]
    return {
        "method": "jitter",
        "table": "wine",
        "task": "binary",
        "trajectory": points,
        "best_step": 6,
        "zero_shot": {"val": {"real/roc_auc": 0.8}, "test": {"real/roc_auc": 0.5}},
        "validation_test_gap": {"roc_auc": {"rank": {"value": 0.3, "note": ""}}},
        **fields,
    }


@pytest.mark.parametrize(
    ("min_gain", "step", "score"), [(0.0, 12, 0.52), (1.9, 12, 0.52), (2.0, 0, 0.5)]
)
def test_the_best_checkpoint_that_gains_enough_is_chosen(
    min_gain: float, step: int, score: float
) -> None:
    (found,) = reselected([record(-1.0, 2.0, 1.0)], min_gain)
    assert found["best_step"] == step
    assert found["scores"]["test"]["real/roc_auc"] == pytest.approx(score)
    gain = 4.0 if step else 0.0
    assert found["normalized"]["test"] == {"real/roc_auc": gain}
    gap = found["validation_test_gap"]["roc_auc"]
    assert gap == {"rank": {"value": 0.3, "note": ""}, "selection": {"value": gain / 2, "note": ""}}


def test_a_lower_error_is_a_higher_score() -> None:
    points = [{"step": s, "val": {"rmse": g}, "test": {"rmse": g}} for s, g in ((0, 0.0), (6, 5.0))]
    zero = {stage: {"real/rmse": 2.0} for stage in ("val", "test")}
    cell = record(task="regression", trajectory=points, zero_shot=zero, validation_test_gap={})
    (found,) = reselected([cell], 1.0)
    assert found["scores"]["test"]["real/rmse"] == pytest.approx(1.9)


def test_what_cannot_be_selected_anew_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="jitter on wine kept no scores"):
        reselected([record(trajectory=[])], 1.0)
    with pytest.raises(ConfigurationError, match="at least 0 percent, got -1"):
        reselected([], -1.0)


def test_it_is_what_a_fit_with_that_selection_gives(
    study: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    methods = {"plain": "baselines/jitter", "cautious": CAUTIOUS}
    base = {
        "model": {"optimizer": {"init_args": {"lr": 3e-3}}},
        "trainer": {"callbacks+": ["lit_causalmix.callbacks.ScoreTrajectory"]},
    }
    declared = study(methods=methods, seeds=[0, 1, 2], base=base)
    Path("grid.yaml").write_text(yaml.safe_dump(declared))
    line = ["--config", "grid.yaml"]
    assert main(["study", "run", *line, "--threads=1"]) == 0
    cells = {
        (r["method"], r["table"], r["seed"]): r for r in Store(Path("runs/study/grid")).records()
    }
    changed = 0
    for (method, table, seed), plain in cells.items():
        if method != "plain":
            continue
        cautious = cells["cautious", table, seed]
        (found,) = reselected([plain], GAIN)
        assert found["best_step"] == cautious["best_step"]
        for stage, scores in found["scores"].items():
            known = {k: v for k, v in cautious["scores"][stage].items() if k in scores}
            assert scores == pytest.approx(known)
        gap = found["validation_test_gap"]["roc_auc"]["selection"]["value"]
        assert gap == pytest.approx(
            cautious["validation_test_gap"]["roc_auc"]["selection"]["value"], abs=1e-9
        )
        changed += plain["best_step"] != found["best_step"]
    assert changed  # else the two selections would be one

    capsys.readouterr()
    assert main(["study", "table", *line, f"--min_gain={GAIN}"]) == 0
    assert "plain" in capsys.readouterr().out
    page = Path("page.html")
    assert main(["study", "report", *line, f"--min_gain={GAIN}", f"--out={page}"]) == 0
    assert f"gain more than {GAIN:g} % on zero-shot" in page.read_text(encoding="utf-8")
