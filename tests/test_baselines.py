"""Every method runs from its YAML, from a CSV file to scores."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main

FOLDER = Path(__file__).parent.parent / "configs" / "baselines"
TINY = Path(__file__).parent / "conf" / "tiny.yaml"
METHODS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))

QUICK = {
    "scm-only": {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"},
    "causalmixft": {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"},
    "counterfactual": {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"},
    "mixed-model": {"n_models": 2},
    "tabebm": {"n_steps": 2, "backbone": "Nano"},
    "dag-tfm": {"n_dags": 1, "discovery.n_resamples": 1, "backbone": "Nano"},
    "relabelled": {"generator": "IndependentColumnsGenerator", "backbone": "Nano"},
    "ctgan": {"epochs": 2, "batch_size": 20},
}
"""Settings of the generator that make a method quick, where it is not."""

NEEDS = {"ctgan": "ctgan", "smote-nc": "imblearn"}
"""Packages of an extra, where a method needs one."""


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def parsed(capsys: pytest.CaptureFixture[str], *names: str) -> dict[str, Any]:
    """The data section of `fit` with these configurations, in this order."""
    configs = [part for name in names for part in ("--config", name)]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *configs, "--data.table.source", "german_credit", "--print_config"])
    assert stop.value.code == 0
    found: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)["data"]
    return found


def holds(whole: Any, part: Any) -> bool:
    """Whether a section of a configuration has all that another one sets."""
    if not isinstance(part, dict):
        return bool(whole == part)
    return all(key in whole and holds(whole[key], value) for key, value in part.items())


def test_there_is_a_configuration_for_every_kind_of_mixing() -> None:
    assert {"default", "scm-only", "causalmixft"} <= set(METHODS)
    for name in METHODS:
        content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        assert set(content) == {"data"}
        assert {"synthetic_ratio", "synthetic_size", "generator"} == set(content["data"])
        expected = {"default": 0.0, "scm-only": 1.0}.get(name, 0.5)
        assert content["data"]["synthetic_ratio"] == expected


@pytest.mark.parametrize("position", range(len(METHODS)), ids=METHODS)
def test_a_method_is_complete_in_itself(position: int, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"baselines/{METHODS[position]}"
    alone = parsed(capsys, name)
    own = yaml.safe_load((FOLDER / f"{METHODS[position]}.yaml").read_text())["data"]
    if own["generator"] is None:
        assert alone["generator"] is None
    else:
        assert alone["generator"]["class_path"] == own["generator"]["class_path"]
        assert holds(alone["generator"].get("init_args", {}), own["generator"].get("init_args", {}))
    after_another = parsed(capsys, f"baselines/{METHODS[position - 1]}", name)
    assert after_another == alone
    assert parsed(capsys, "quickstart", name) == parsed(capsys, name, "quickstart")


@pytest.mark.parametrize("regression", [False, True], ids=["classification", "regression"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs_from_a_csv_file_to_scores(
    name: str, regression: bool, make_frame: Any
) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    frame: pd.DataFrame = make_frame(regression=regression)
    frame.to_csv("mixed.csv", index=False)
    options = [f"--data.generator.{key}={value}" for key, value in QUICK.get(name, {}).items()]
    if regression:
        options.append("--model.backbone.task=regression")
    status = main(
        [
            "fit",
            *("--config", str(TINY), "--config", f"baselines/{name}"),
            *("--data.table.source=mixed.csv", "--data.table.target=target"),
            "--data.cache_dir=cache",
            *options,
        ]
    )
    assert status == 0
    report = json.loads(Path("runs/fit/version_0/report.json").read_text())
    assert ("real rows only" in json.dumps(report)) == (name == "default")
    assert all(row["normalized"]["value"] is not None for row in report["rows"])
