"""The measurement of the embedded model, on small tables and with random weights."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.backbones import AxialTransformer


@pytest.fixture
def nano(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("nano")


def folder(path: Path, names: list[str]) -> Path:
    """Tables with a number, a category and a target that follows both."""
    path.mkdir()
    index = []
    for seed, name in enumerate(names):
        g = np.random.default_rng(seed)
        frame = pd.DataFrame({"a": g.normal(size=90), "b": g.choice(["x", "y", "z"], size=90)})
        frame["y"] = frame["a"] + (frame["b"] == "x") + 0.1 * g.normal(size=90)
        frame.to_csv(path / f"{name}.csv", index=False)
        facts = {"task": "regression", "n_rows": 90, "target": "y", "categorical": ["b"]}
        index.append({"name": name, "file": f"{name}.csv", **facts})
    (path / "index.json").write_text(json.dumps(index))
    return path


def test_tables_of_several_folders_are_measured_but_those_that_select(
    nano: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [folder(tmp_path / "p", ["one"]), folder(tmp_path / "q", ["two", "wdbc"])]
    monkeypatch.setenv("LIT_CAUSALMIX_DATA", ":".join(map(str, folders)))
    AxialTransformer(16, 8, 2, 1, task="regression").save_pretrained(tmp_path / "weights")
    out = tmp_path / "found" / "nano.csv"
    arguments = ["--out", str(out), "--regressor", str(tmp_path / "weights"), "--seeds", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["nano.py", *arguments, "--methods", "candidate", "ridge"])
    nano.main()
    results = pd.read_csv(out)
    assert sorted(zip(results["table"], results["seed"], strict=True)) == [
        (table, seed) for table in ("one", "two") for seed in (0, 0, 1, 1)
    ]
    scores = results.set_index("method")
    assert (scores.loc["ridge", "r2"] > 0.9).all()
    assert scores.loc["ridge", "coverage"].isna().all()
    assert scores.loc["candidate", "coverage"].between(0, 1).all()
    before = out.read_bytes()
    nano.main()  # nothing is measured twice
    assert out.read_bytes() == before
    text = out.with_suffix(".md").read_text()
    assert "mean coverage" in text
    assert "| two |" in text


def test_a_library_elsewhere_gives_its_predictions_in_the_targets_units(
    nano: ModuleType, tmp_path: Path
) -> None:
    methods = importlib.import_module("nano_methods")
    tables = nano.read_index([folder(tmp_path / "p", ["one"])])
    splits = nano.splits_of(tables[0], 0)
    encoder = nano.Encoder.fit(splits.train)
    catboost = tmp_path / "catboost.py"  # stands for the library: the mean of the training targets
    catboost.write_text(
        "class CatBoostRegressor:\n"
        "    def __init__(self, cat_features, **settings):\n"
        "        assert cat_features == [1]\n"
        "    def fit(self, x, y):\n"
        "        assert set(x[:, 1]) <= {'0', '1', '2'}\n"
        "        self.mean = y.mean()\n"
        "    def predict(self, x):\n"
        "        return [self.mean] * len(x)\n"
        "CatBoostClassifier = None\n"
    )
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    launcher.chmod(0o755)
    found = methods.external("catboost", launcher, None, splits, encoder)
    np.testing.assert_allclose(found, splits.train.target.mean(), rtol=1e-5)


def test_an_earlier_generation_with_fewer_seeds_takes_no_cell_from_the_others(
    benchmark: Callable[[str], ModuleType],
) -> None:
    scores = {"Nano 3": (0.9, 0.7), "forest": (0.5, 0.5), "Nano 1": (0.6,)}
    rows = [
        {"table": table, "seed": seed, "task": "binary", "method": method, "roc_auc": score}
        for table in ("one", "two")
        for method, found in scores.items()
        for seed, score in enumerate(found)
    ]
    blank = dict.fromkeys(["ece", "coverage", "seconds", "mae"], float("nan"))
    text = benchmark("nano_summary").summary(pd.DataFrame(rows).assign(**blank))
    assert "2 tables that every method takes, 2 seeds" in text
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "0.800 [0.800, 0.800]" in next(
        line for line in text.splitlines() if "| Nano 3 |" in line
    )
    assert "0.300 [0.300, 0.300]" in lines["Nano 1"]  # on the seed that both have
