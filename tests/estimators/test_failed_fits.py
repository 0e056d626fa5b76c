"""A fit that fails, or is interrupted, leaves the estimator as it was."""

import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor
from lit_causalmix.generators import JitterGenerator

ZERO_SHOT: dict[str, Any] = {"method": "default", "max_steps": 0, "device": "cpu"}


@pytest.fixture(name="X")
def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="target")


def test_a_first_fit_that_fails_leaves_no_fitted_estimator(X: pd.DataFrame, tmp_path: Path) -> None:
    for model, y in (
        (CausalMixClassifier(**ZERO_SHOT), ["one"] * len(X)),
        (CausalMixRegressor(**ZERO_SHOT), np.ones(len(X))),
    ):
        with pytest.raises(LitCausalMixError):
            model.fit(X, y)
        assert not hasattr(model, "n_features_in_")
        with pytest.raises(NotFittedError):
            model.predict(X)
        with pytest.raises(NotFittedError):
            model.save(tmp_path / "m")


def test_a_refit_that_fails_leaves_the_former_fit(frame: pd.DataFrame, X: pd.DataFrame) -> None:
    model = CausalMixClassifier(**ZERO_SHOT).fit(X, frame["target"])
    before, expected = dict(vars(model)), model.predict_proba(X)
    with pytest.raises(LitCausalMixError, match="class"):
        model.fit(X[["age"]], ["one"] * len(X))
    assert vars(model) == before
    assert np.array_equal(model.predict_proba(X), expected)


def test_a_threshold_that_cannot_be_chosen_leaves_no_model_without_one(
    X: pd.DataFrame, tmp_path: Path
) -> None:
    few = {"data": {"split": {"val_fraction": 0.05}}}
    asked = CausalMixClassifier(
        **ZERO_SHOT, threshold="balanced_accuracy", settings=few, run_folder=tmp_path / "run"
    )
    y = np.where(X.index < 3, "yes", "no")
    with pytest.raises(LitCausalMixError):
        asked.fit(X, y)
    with pytest.raises(NotFittedError):
        asked.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    assert not list((tmp_path / "run").rglob("model.json"))


@pytest.mark.parametrize("folds", [1, 2])
def test_an_interruption_without_run_folder_saves_nothing_and_says_so(
    frame: pd.DataFrame,
    X: pd.DataFrame,
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    folds: int,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: set[str] = set()
    ended = threading.Event()

    def interrupt() -> None:
        """Waits for the first step, whose handler of signals is the fit's own."""
        own = signal.getsignal(signal.SIGINT)
        while signal.getsignal(signal.SIGINT) == own and not ended.is_set():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        while not ended.is_set():
            seen.update(path.name for path in tmp_path.rglob("*.ckpt"))
            time.sleep(0.002)

    settings = tiny | {"model": tiny["model"] | {"selection": "FixedBudget"}}
    model = CausalMixClassifier(
        "default", max_steps=5000, folds=folds, device="cpu", settings=settings
    )
    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, frame["target"])
    finally:
        ended.set()
        watcher.join()
    said = capfd.readouterr().err
    assert ": nothing is kept without run_folder" in said
    assert "saved" not in said
    assert "last.ckpt" not in seen
    with pytest.raises(NotFittedError):
        model.predict(X)


class Interrupting(JitterGenerator):
    """Is interrupted while it is fitted."""

    def fit(self, *_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interruption_before_the_first_step_leaves_the_next_one_possible(
    frame: pd.DataFrame, X: pd.DataFrame, tiny: dict[str, Any]
) -> None:
    generator = {"class_path": f"{__name__}.{Interrupting.__name__}"}
    settings = tiny | {"data": tiny["data"] | {"generator": generator}}
    model = CausalMixClassifier("jitter", device="cpu", settings=settings)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, frame["target"])
        assert signal.getsignal(signal.SIGINT) == before
    finally:
        signal.signal(signal.SIGINT, before)
