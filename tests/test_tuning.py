"""The search of examples/tune.py: by validation rows alone, resumable, pruned."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

optuna = pytest.importorskip("optuna", reason="pip install 'lit-causalmix[tune]'")

ROOT = Path(__file__).parent.parent
TINY = ROOT / "tests" / "conf" / "tiny.yaml"


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    spec = importlib.util.spec_from_file_location("tune", ROOT / "examples" / "tune.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configuration(frame: pd.DataFrame, name: str) -> list[str]:
    """A small fit to a table, as configurations."""
    frame.to_csv(f"{name}.csv", index=False)
    table = {"source": f"{name}.csv", "target": "target"}
    content = {"data": {"table": table, "cache_dir": "cache"}}
    Path(f"{name}.yaml").write_text(yaml.safe_dump(content))
    return [str(TINY), f"{name}.yaml"]


def found(study: Any) -> list[tuple[Any, ...]]:
    return [(t.params, t.value, dict(t.intermediate_values)) for t in study.trials]


def test_other_test_rows_leave_the_search_as_it_is(tune: Any, frame: pd.DataFrame) -> None:
    from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

    one = configuration(frame, "one")
    rows = load_splits(TableSpec("one.csv", target="target"), SplitSpec()).test.rows
    changed = frame.copy()
    assert len(rows) > 20
    changed.loc[rows, "age"] = changed.loc[rows, "age"].sample(frac=1, random_state=0).to_numpy()
    assert not changed.equals(frame)
    two = configuration(changed, "two")
    first = tune.search(one, 2, Path("first"))
    assert found(first) == found(tune.search(two, 2, Path("second")))
    assert len({tuple(trial.params.items()) for trial in first.trials}) == 2


def test_a_search_goes_on_after_a_killed_trial_and_ends_with_a_fit(
    tune: Any, frame: pd.DataFrame
) -> None:
    configs = configuration(frame, "table")
    study = tune.search(configs, 1, Path("out"))
    killed = study.ask()
    tune.suggested(killed)
    line = [word for name in configs for word in ("--config", name)]
    assert tune.main([*line, "--trials", "2", "--out", "out"]) == 0
    states = [trial.state.name for trial in tune.search(configs, 2, Path("out")).trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    best = min((t for t in study.trials if t.value is not None), key=lambda t: t.value)
    settings = yaml.safe_load(Path("runs/fit/version_0/config.yaml").read_text())
    assert settings["model"]["optimizer"]["init_args"]["lr"] == best.params["rate"]
    assert settings["data"]["synthetic_ratio"] == best.params["ratio"]
    assert settings["data"]["synthetic_size"] == best.params["freshness"]
    assert study.trials[2].params == study.trials[1].params
    report = json.loads(Path("runs/fit/version_0/report.json").read_text())
    assert np.isfinite(report["rows"][0]["fine_tuned"]["value"])


def test_a_trial_behind_the_others_is_pruned(tune: Any, frame: pd.DataFrame) -> None:
    configs = configuration(frame, "table")
    study = tune.search(configs, 1, Path("out"))
    for _ in range(3):  # trials that no fit can reach
        trial = study.ask()
        tune.suggested(trial)
        for epoch in range(3):
            trial.report(-1.0, step=epoch)
        study.tell(trial, -1.0)
    study = tune.search(configs, 5, Path("out"))
    assert study.trials[-1].state.name == "PRUNED"
