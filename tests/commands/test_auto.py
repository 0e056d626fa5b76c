"""`fit --auto` through the command line, with real fits of small random models."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from safetensors.numpy import load_file

from lit_causalmix.commands.folds import taken_options
from lit_causalmix.commands.main import main
from lit_causalmix.configuration import config_folder
from lit_causalmix.training import runs

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
HARMFUL = {
    "name": "harmful",
    "config": "baselines/default",
    "model": {"optimizer": {"init_args": {"lr": 50.0}}},
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    declare(candidates=[HARMFUL, "baselines/default", "baselines/jitter"], first_folds=1)


def declare(**auto: Any) -> None:
    content = {
        "auto": auto,
        "data": {"folds": 2},
        "model": {"selection": "CautiousValidation"},
        "trainer": {"callbacks": ["ZeroShotBaseline", "DomainMetrics"]},  # no forest beside it
    }
    Path("auto.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def fit(*more: str, table: str = "mixed.csv") -> int:
    return main(
        [
            *("fit", "--config", str(TINY), "--config", "auto.yaml", "--data.cache_dir", "cache"),
            *("--data.table.source", table, "--data.table.target", "target", "--quiet", *more),
        ]
    )


def told(folder: str = "runs/fit/version_0") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))
    return content


def held_out(folder: str, candidate: str, fold: int) -> dict[str, Any]:
    file = f"{folder}/candidates/{candidate}/fold_{fold}/held_out.safetensors"
    content: dict[str, Any] = load_file(file)
    return content


def fates(content: dict[str, Any]) -> dict[str, str]:
    return {entry["candidate"]: entry["fate"] for entry in content["auto"]["candidates"]}


@pytest.mark.slow
def test_the_best_is_fitted_reported_and_kept_and_the_same_side_by_side(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lit_causalmix.model import Predictor

    assert fit() == 0
    found, out = told(), capsys.readouterr().out
    assert fates(found)["harmful"] == "left out after rung 1"
    assert found["auto"]["chosen"] in ("default", "jitter")
    chosen = next(e for e in found["auto"]["candidates"] if e["fate"] == "chosen")
    assert chosen["gain"] > 1.0
    pooled = {r["metric"]: r for r in found["rows"] if r["stage"] == "val"}
    assert pooled["roc_auc"]["fine_tuned"]["value"] == chosen["score"]
    assert "Candidates, on held-out rows of the folds" in out
    assert "test rows" in out
    page = Path("runs/fit/version_0/report.html").read_text(encoding="utf-8")
    assert "left out after rung 1" in page
    model = Predictor.load("runs/fit/version_0/model")
    assert len(model.members) == 2
    assert model.record["auto"] == found["auto"]["candidates"]
    assert model.record["settings"]["auto"]["first_folds"] == 1
    kept = {p.parts[-3] for p in Path("runs/fit/version_0/candidates").rglob("step_*.safetensors")}
    assert kept == {found["auto"]["chosen"]}

    assert fit("--jobs", "2") == 0
    beside = told("runs/fit/version_1")
    assert (beside["auto"], beside["rows"]) == (found["auto"], found["rows"])
    rows = pd.read_csv("mixed.csv").head(9)
    again = Predictor.load("runs/fit/version_1/model").predict_proba(rows)
    np.testing.assert_array_equal(model.predict_proba(rows), again)


STOPPER = """
from pathlib import Path
import lightning.pytorch as pl

class Stopper(pl.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 3 and not Path("stopped").exists():
            Path("stopped").touch()
            raise KeyboardInterrupt
"""


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_to_the_same_bits() -> None:
    from lit_causalmix.model import Predictor

    Path("stopper_of_auto.py").write_text(STOPPER)
    stopping = {
        "config": "baselines/jitter",
        "trainer": {"callbacks+": ["stopper_of_auto.Stopper"]},
    }
    declare(candidates=["baselines/default", stopping], first_folds=1)
    assert fit() == 130
    folder = "runs/fit/version_0"
    assert Path(folder, "candidates/default/fold_0/fold.json").exists()
    assert not Path(folder, "candidates/jitter/fold_0/fold.json").exists()
    mark = Path(folder, "candidates/default/fold_0/fold.json").stat().st_mtime_ns
    assert fit("--resume", folder) == 0
    assert Path(folder, "candidates/default/fold_0/fold.json").stat().st_mtime_ns == mark
    assert fit() == 0
    assert told("runs/fit/version_1")["auto"] == told()["auto"]
    assert told("runs/fit/version_1")["rows"] == told()["rows"]
    rows = pd.read_csv("mixed.csv").head(9)
    one, two = (Predictor.load(f"runs/fit/version_{n}/model") for n in (0, 1))
    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(rows))
    declare(candidates=["baselines/default"], first_folds=1)
    assert fit("--resume", folder) == 2  # weights of what was left out there are gone


@pytest.mark.slow
def test_test_rows_take_no_part(frame: pd.DataFrame) -> None:
    """With other test rows the choice has the same bits, and the report other test scores."""
    frame["part"] = np.resize(["train", "train", "val", "test"], len(frame))
    frame.to_csv("one.csv", index=False)
    other = frame.copy()
    tested = other["part"] == "test"
    other.loc[tested, "age"] = 99 - other.loc[tested, "age"]
    other.loc[tested, "target"] = other.loc[tested, "target"].map({"good": "bad", "bad": "good"})
    other.to_csv("two.csv", index=False)
    for table in ("one.csv", "two.csv"):
        assert fit("--data.table.split_column", "part", table=table) == 0
    one, two = told(), told("runs/fit/version_1")
    assert one["auto"] == two["auto"]
    assert [r for r in one["rows"] if r["stage"] == "val"] == [
        r for r in two["rows"] if r["stage"] == "val"
    ]
    assert [r for r in one["rows"] if r["stage"] == "test"] != [
        r for r in two["rows"] if r["stage"] == "test"
    ]
    for name in ("default", "harmful"):
        found = [held_out(f"runs/fit/version_{n}", name, 0) for n in (0, 1)]
        assert all(np.array_equal(found[0][key], found[1][key]) for key in found[0])


def test_a_limit_of_time_returns_the_best_so_far_and_more_time_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit("--auto.time_limit", "0.001") == 0
    found = told()
    assert found["auto"]["chosen"] == "zero-shot"
    assert found["folds"] == 1
    assert "in the end 0 of 3 candidates were compared" in found["auto"]["cut"]
    assert set(fates(found).values()) == {"no time was left for it"}
    assert "The time limit cut the comparison" in capsys.readouterr().out
    assert fit("--resume", "runs/fit/version_0") == 0
    assert told()["auto"]["cut"] == ""
    assert told()["auto"]["chosen"] != "zero-shot"


def test_a_candidate_that_the_table_does_not_take_is_said(frame: pd.DataFrame) -> None:
    words = {f"of {n}": (np.arange(len(frame)) // 3**n % 3).astype(str) for n in range(5)}
    pd.DataFrame({**words, "colour": frame["colour"], "target": frame["target"]}).replace(
        {str(n): word for n, word in enumerate(("one", "two", "three"))}
    ).to_csv("words.csv", index=False)
    recipe = ["baselines/default", "finetune/retouche"]  # corrects numerical columns
    declare(candidates=[recipe, HARMFUL], first_folds=1)
    assert fit(table="words.csv") == 0
    found = told()
    assert fates(found)["default+retouche"].startswith("cannot be fitted: ")
    assert found["auto"]["chosen"] == "zero-shot"
    assert found["best_step"] == 0
    assert {r["normalized"]["value"] for r in found["rows"]} == {0.0}


def test_a_candidate_that_another_process_fits_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.2)
    declare(candidates=["baselines/default", HARMFUL], first_folds=1)
    assert fit("--auto.time_limit", "0.001") == 0
    before = told()
    fold = Path("runs/fit/version_0/candidates/default/fold_0")
    fold.mkdir(parents=True, exist_ok=True)
    with FileLock(fold / ".run.lock"):
        assert fit("--resume", "runs/fit/version_0") == 2
    assert "another fit works in" in capsys.readouterr().err
    assert told() == before


def test_episodes_that_a_fold_cannot_fill_rule_out_a_candidate_and_not_zero_shot() -> None:
    declare(candidates=["baselines/default", "baselines/jitter"])
    assert fit("--data.episode_rows=100") == 0  # half of them real: as many as a fold has
    found = fates(told())
    assert found["default"].startswith("cannot be fitted: an episode of ")
    assert not found["jitter"].startswith("cannot be fitted")


def test_without_test_rows_the_scores_are_said_to_be_those_of_the_choice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    declare(candidates=["baselines/default"], first_folds=2)
    assert fit("--data.split.test_fraction", "0") == 0
    assert "There are no test rows: the scores of all folds" in capsys.readouterr().out
    assert "There are no test rows" in Path("runs/fit/version_0/report.html").read_text()


@pytest.mark.parametrize(
    ("auto", "more", "message"),
    [
        ({"candidates": ["baselines/nope"]}, (), "no configuration 'baselines/nope'"),
        ({"candidates": ["stopping/fixed-budget"]}, (), "sets model.selection, which all"),
        ({"candidates": [{"name": "a", "data": {"folds": 3}}]}, (), "sets data.folds, which all"),
        (
            {"candidates": [{"name": "a", "seed_everything": 3}]},
            (),
            "a recipe sets model, data, trainer",
        ),
        ({"candidates": [{"name": "a", "data": {"speed": 3}}]}, (), "speed"),
        ({"candidates": []}, (), "one at least"),
        (
            {"candidates": ["baselines/jitter"] * 2},
            (),
            "two candidates of auto are called 'jitter'",
        ),
        ({"candidates": [{"data": {"synthetic_ratio": 0}}]}, (), "settings with a name"),
        ({"candidate": ["x"]}, (), "candidate"),
        ({"candidates": ["baselines/default"]}, ("--folds", "1"), "at least 2"),
        (
            {"candidates": ["baselines/default"]},
            ("--model.selection", "FixedBudget"),
            "model.selection is FixedBudget",
        ),
        (
            {"candidates": ["finetune/interpolation"]},
            (),
            "WeightInterpolation knows one model alone",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    auto: dict[str, Any], more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(**auto)
    assert fit(*more) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(Path().rglob("fold_*"))


def test_one_word_is_the_packaged_recipe_below_all_that_is_said() -> None:
    _, rest = taken_options(["fit", "--data.seed", "1", "--auto"])
    assert rest == [
        "fit",
        "--config",
        str(config_folder() / "auto.yaml"),
        "--data.seed",
        "1",
    ]
    assert taken_options(["test", "--auto"])[1] == ["test", "--auto"]
