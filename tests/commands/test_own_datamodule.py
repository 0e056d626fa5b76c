"""A configuration that names its datamodule: what is kept of the fit, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
OURS = "lit_causalmix.datamodules.CausalMixDataModule"
OWN = """
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.tables import TableSpec

class Own(CausalMixDataModule):
    def __init__(self, file: str, ratio: float = 0.0) -> None:
        super().__init__(
            TableSpec(file, target="target"),
            synthetic_ratio=ratio,
            episodes_per_epoch=2,
            progress=False,
        )
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_data", raising=False)
    Path("own_data.py").write_text(OWN)


def fit(kind: str, settings: dict[str, Any], *more: str) -> int:
    content = yaml.safe_load(TINY.read_text())
    content["data"] = {"class_path": kind, "init_args": settings}
    content["trainer"] |= {
        "callbacks": ["ZeroShotBaseline", "DomainMetrics", "BestWeights"],
        "logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "runs", "name": "fit"}},
    }
    Path("named.yaml").write_text(yaml.safe_dump(content))
    return main(["fit", "--config", "named.yaml", "--quiet", *more])


def of_table(source: str) -> dict[str, Any]:
    table = {"source": source, "target": "target"}
    return {"table": table, "cache_dir": "cache", "synthetic_ratio": 0, "episodes_per_epoch": 2}


def test_the_model_is_kept_without_folders_of_this_machine(csv: Path) -> None:
    from lit_causalmix.model import Predictor

    assert fit(OURS, of_table(str(csv))) == 0
    model = Predictor.load("runs/fit/version_0/model")
    assert len(model.predict_proba(pd.read_csv(csv).head(3))) == 3
    told = model.record["settings"]["data"]
    assert told["init_args"]["table"]["source"] == "mixed.csv"
    assert "cache_dir" not in told["init_args"]


def test_the_model_of_an_own_class_is_kept() -> None:
    assert fit("own_data.Own", {"file": "mixed.csv"}) == 0
    told = json.loads(Path("runs/fit/version_0/model/model.json").read_text())
    assert told["record"]["settings"]["data"]["init_args"]["file"] == "mixed.csv"


def test_folds_are_those_of_the_same_settings_below_data() -> None:
    from lit_causalmix.model import Predictor

    assert fit(OURS, of_table("mixed.csv"), "--folds", "2") == 0
    assert len(Predictor.load("runs/fit/version_0/model").members) == 2


def test_folds_of_an_own_class_are_refused_before_the_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("own_data.py").write_text(OWN.replace("progress=False", "progress=False, folds=2"))
    assert fit("own_data.Own", {"file": "mixed.csv"}) == 2
    assert "data.class_path is own_data.Own: set data.folds to 1" in capsys.readouterr().err
    assert not Path("runs").exists()
