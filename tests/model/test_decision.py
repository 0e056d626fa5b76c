"""Thresholds: the best one that there is, what it changes, and the folder that carries it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

import lit_causalmix
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.model import Predictor
from lit_causalmix.model.card import model_card
from lit_causalmix.model.decision import decided, fit_threshold


def both(positive: Any) -> np.ndarray:
    p = np.asarray(positive, dtype=np.float64)
    return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = (rng.random(120) < 0.1).astype(np.int64)
    p = both(np.clip(0.05 + 0.1 * classes + rng.normal(0, 0.06, 120), 0.001, 0.999).round(2))
    found = fit_threshold(p, classes)

    def score(threshold: float) -> float:
        return float(balanced_accuracy_score(classes, decided(p, threshold)))

    assert score(found) == pytest.approx(max(score(t) for t in np.linspace(0, 1, 1001)))
    assert score(found) > balanced_accuracy_score(classes, decided(p, None))


def test_of_equally_good_ones_the_nearest_to_one_half_is_taken() -> None:
    assert fit_threshold(both([0.1, 0.2, 0.7, 0.9]), np.array([0, 0, 1, 1])) == 0.5
    assert fit_threshold(both([0.6, 0.7, 0.9]), np.array([0, 0, 1])) == pytest.approx(0.8)
    assert fit_threshold(both([0.3, 0.3, 0.3]), np.array([0, 1, 1])) == 0.5  # nothing to part


@pytest.mark.parametrize("steps", range(4))
def test_neighbours_of_single_precision_are_parted(steps: int) -> None:
    low = np.float32(0.3)
    for _ in range(steps):
        low = np.nextafter(low, np.float32(1))
    high = np.nextafter(low, np.float32(1))
    p = np.array([[1 - low, low], [1 - high, high]], dtype=np.float32)
    classes = np.array([0, 1])
    assert decided(p, fit_threshold(p, classes)).tolist() == classes.tolist()


def test_what_has_no_threshold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="both classes, and there are 3 and 0"):
        fit_threshold(both([0.1, 0.2, 0.3]), np.zeros(3, dtype=np.int64))
    with pytest.raises(ConfigurationError, match="between two classes, got 3"):
        fit_threshold(np.full((2, 3), 1 / 3), np.array([0, 2]))


def with_threshold(model: Predictor, threshold: float) -> Predictor:
    return Predictor(model.members, model.spec, model.record, threshold=threshold)


def test_the_folder_carries_it_to_every_prediction(
    make_model: Callable[..., Predictor],
    frame: pd.DataFrame,
    csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = make_model(2)
    threshold = float(np.quantile(plain.predict_proba(frame)[:, 1], 0.8))
    with_threshold(plain, threshold).save("model")
    kept = lit_causalmix.load_model("model")
    assert kept.threshold == threshold
    assert np.array_equal(kept.predict_proba(frame), plain.predict_proba(frame))
    wanted = [kept.classes[int(p > threshold)] for p in kept.predict_proba(frame)[:, 1]]
    assert kept.predict(frame).tolist() == wanted
    assert wanted != plain.predict(frame).tolist()
    assert kept.frame(frame)["prediction"].tolist() == wanted
    assert main(["predict", "--model", "model", str(csv), "--out", "out.csv"]) == 0
    assert pd.read_csv("out.csv")["prediction"].tolist() == wanted
    assert f"'good' is predicted where its probability is above {threshold:.4g}" in model_card(kept)
    assert "threshold" not in model_card(plain)


def test_a_version_without_thresholds_refuses_the_folder_and_reads_others(
    make_model: Callable[..., Predictor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model().save(tmp_path / "plain")
    with_threshold(make_model(), 0.25).save(tmp_path / "decides")
    monkeypatch.setattr("lit_causalmix.model.folder.FORMAT", 1)
    assert lit_causalmix.load_model(tmp_path / "plain").threshold is None
    with pytest.raises(lit_causalmix.errors.ModelError, match="newer version"):
        lit_causalmix.load_model(tmp_path / "decides")


@pytest.mark.parametrize("threshold", [0.0, 1.0, float("nan")])
def test_a_threshold_lies_between_0_and_1_and_two_classes(
    make_model: Callable[..., Predictor], make_frame: Any, threshold: float
) -> None:
    with pytest.raises(ConfigurationError, match=r"a threshold lies in \(0, 1\)"):
        with_threshold(make_model(), threshold)
    numbers = make_model(rows=make_frame(regression=True), task="regression")
    with pytest.raises(ConfigurationError, match="and 0 classes"):
        with_threshold(numbers, 0.5)
