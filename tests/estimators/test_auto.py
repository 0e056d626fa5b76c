"""The method "auto" from Python: that of the command line, with its table of candidates."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import lit_causalmix
from lit_causalmix.commands.main import main
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor
from lit_causalmix.estimators.configuration import fit_settings

CONF = Path(__file__).parents[1] / "conf" / "tiny.yaml"
HARMFUL = {"name": "harmful", "model": {"optimizer": {"init_args": {"lr": 50.0}}}}
AUTO: dict[str, Any] = {"candidates": ["baselines/default", HARMFUL], "first_folds": 1}


def asked(tiny: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "device": "cpu",
        "random_state": 3,
        "folds": 2,
        "settings": tiny | {"auto": AUTO},
    } | more


def test_the_choice_and_the_bits_are_those_of_the_command_line(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    frame.to_csv("t.csv", index=False)
    content = {"auto": AUTO, "data": {"folds": 2}}
    Path("auto.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    arguments = [
        *("fit", "--auto", "--config", str(CONF), "--config", "auto.yaml", "--quiet"),
        *("--data.table.source", "t.csv", "--data.table.target", "target", "--data.seed", "3"),
        *("--data.table.task", "binary", "--data.split.seed", "3"),
        *("--data.split.test_fraction", "0"),
    ]
    assert main(arguments) == 0
    frame = pd.read_csv("t.csv", float_precision="round_trip")
    X, y = frame.drop(columns="target"), frame["target"]
    model = CausalMixClassifier("auto", **asked(tiny)).fit(X, y)
    told = json.loads(Path("runs/fit/version_0/report.json").read_text())["auto"]
    assert list(model.candidates_) == told["candidates"]
    assert [entry["candidate"] for entry in model.candidates_] == ["default", "harmful"]
    assert told["chosen"] == "default"
    kept = lit_causalmix.load_model("runs/fit/version_0/model")
    assert np.array_equal(model.predict_proba(X), kept.predict_proba(X))
    assert model.model_.record["auto"] == told["candidates"]
    assert model.model_.record["selected"].startswith("default, the best of 2 candidates and zero")
    assert model.cut_ == ()


def test_out_of_time_zero_shot_is_returned_with_a_warning(
    make_frame: Any, tiny: dict[str, Any], tmp_path: Path
) -> None:
    frame = make_frame(regression=True)
    X, y = frame.drop(columns="target"), frame["target"]
    of = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1, "task": "regression"}}
    settings = tiny | {"model": tiny["model"] | {"backbone": of}}
    folder = tmp_path / "run"
    model = CausalMixRegressor("auto", **asked(settings, time_limit=1e-3, run_folder=folder))
    with pytest.warns(UserWarning, match=r"The time limit of 0.001 s cut this fit: time was over"):
        model.fit(X, y)
    assert model.candidates_[0]["fate"] == "no time was left for it"
    assert "0 of 2 candidates were compared" in model.cut_[0]
    zero_shot = CausalMixRegressor("default", max_steps=0, device="cpu", settings=settings)
    np.testing.assert_allclose(model.predict(X), zero_shot.fit(X, y).predict(X), rtol=1e-5)
    assert np.array_equal(
        lit_causalmix.load_model(folder / "version_0" / "model").predict(X), model.predict(X)
    )


def test_what_belongs_to_one_recipe_is_refused_and_folds_are_those_of_the_recipe(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    X, y = frame.drop(columns="target"), frame["target"]
    with pytest.raises(LitCausalMixError, match="auto compares several"):
        CausalMixClassifier("auto", synthetic_ratio=0.3).fit(X, y)
    common: dict[str, Any] = {
        **dict.fromkeys(("backbone", "synthetic_ratio", "max_steps", "settings")),
        **dict.fromkeys(("seed", "verbose"), 0),
        "time_limit": 60.0,
        "device": "cpu",
        "folder": tmp_path,
        "keeps_run": False,
        "table": {"source": "x", "target": "y"},
    }
    config = fit_settings(method="auto", folds=1, **common)
    assert config["data"]["folds"] == 5
    assert config["auto"]["time_limit"] == 60.0
    assert "TimeLimit" not in str(config["trainer"]["callbacks"])
    assert fit_settings(method="auto", folds=3, **common)["data"]["folds"] == 3
    assert fit_settings(method="default", folds=1, **common)["data"]["folds"] == 1
