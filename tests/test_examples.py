from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.estimators import CausalMixClassifier

EXAMPLES = Path(__file__).parent.parent / "examples"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plain_loop_learns_from_mixed_rows(tmp_path: Path) -> None:
    assert _load("plain_loop").main(cache_dir=str(tmp_path)) > 0.65


def test_the_plain_loop_uses_neither_task_nor_backbone_nor_command_line() -> None:
    source = (EXAMPLES / "plain_loop.py").read_text()
    for part in (
        "lit_causalmix.training.task",
        "lit_causalmix.backbones",
        "lit_causalmix.commands.main",
        "Trainer(",
    ):
        assert part not in source


def test_the_estimator_is_fitted_kept_and_loaded() -> None:
    assert _load("estimator").main("default", max_steps=0, rows=300) > 0.7


def toy(n: int = 60) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """A column of text that tells the class, one with gaps that tells nothing, and the classes."""
    generator = np.random.default_rng(0)
    job = generator.choice(["nurse", "clerk"], n)
    noise = np.where(generator.random(n) < 0.2, None, generator.normal(size=n))
    frame = pd.DataFrame({"noise": noise, "job": job})
    return frame, pd.Series(np.where(job == "nurse", "no", "yes"), name="sold")


def test_permutation_importance_finds_the_column_that_counts() -> None:
    X, y = toy()
    model = CausalMixClassifier("default", max_steps=0).fit(X[:40], y[:40])
    found = _load("explain").importance(model, X[40:], y[40:])
    assert found["job"] > 0.2
    assert abs(found["noise"]) < 0.1


def test_shapley_values_add_up_to_the_prediction() -> None:
    pytest.importorskip("shap", reason="the extra explain is not installed")
    X, y = toy()
    model = CausalMixClassifier("default", max_steps=0).fit(X[:40], y[:40])
    rows, background = X[40:45], X[:8]
    values, start = _load("explain").shapley_values(model, rows, background)
    expected = model.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(values.sum(axis=1) + start, expected, atol=1e-4)
    np.testing.assert_allclose(start, model.predict_proba(background)[:, 1].mean(), atol=1e-4)
    assert (values["job"].abs() > 3 * values["noise"].abs()).all()
    assert (np.sign(values["job"]) == np.where(rows["job"] == "nurse", -1, 1)).all()


@pytest.mark.slow
def test_the_explanation_runs_as_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shap", reason="the extra explain is not installed")
    _load("explain").main("default", max_steps=0, n_rows=1)
    said = capsys.readouterr().out
    assert "loss of ROC-AUC when a column is shuffled" in said
    assert said.count("row ") == 1
