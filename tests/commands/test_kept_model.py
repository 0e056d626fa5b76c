"""The model that `fit` keeps, and the commands that use it: `predict --model` and `card`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import lit_causalmix
from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def fit(source: Path, *more: str) -> Path:
    arguments = [
        *("fit", "--config", str(TINY), "--data.cache_dir", "cache"),
        *("--data.table.source", str(source), "--data.table.target", "target", *more),
    ]
    assert main(arguments) == 0
    return Path("runs/fit/version_0")


def by_checkpoint(run: Path, rows: str) -> bytes:
    arguments = [
        *("predict", "--config", str(run / "config.yaml")),
        *("--ckpt_path", str(run / "best.ckpt"), "--data.predict_source", rows),
    ]
    assert main(arguments) == 0
    return Path("runs/fit-predict/version_0/predictions.csv").read_bytes()


@pytest.mark.parametrize("regression", [False, True])
def test_the_folder_predicts_what_the_run_does(
    make_frame: Callable[..., pd.DataFrame], regression: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = make_frame(regression=regression)
    frame.to_csv("t.csv", index=False)
    frame.head(30).drop(columns="target").to_csv("new.csv", index=False)
    task = ["--model.backbone.init_args.task", "regression"] if regression else []
    run = fit(Path("t.csv"), *task)
    assert f"Model: {run / 'model'}" in capsys.readouterr().out
    assert main(["predict", "--model", str(run / "model"), "new.csv", "--out", "p.csv"]) == 0
    assert "30 predictions: p.csv" in capsys.readouterr().out
    assert Path("p.csv").read_bytes() == by_checkpoint(run, "new.csv")


def test_columns_of_the_rows_are_carried_through(
    csv: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(fit(csv) / "model")
    rows = frame.drop(columns="target").head(5).assign(customer=[f"00{k}" for k in range(5)])
    rows.to_csv("new.csv", index=False)
    line = ["predict", "--model", model, "new.csv"]
    assert main([*line, "--out", "plain.csv"]) == 0
    assert main([*line, "--keep", "customer", "colour", "--out", "kept.csv"]) == 0
    kept = pd.read_csv("kept.csv", dtype=str)
    assert kept[["customer", "colour"]].equals(rows[["customer", "colour"]])
    plain = pd.read_csv("plain.csv", dtype=str)
    assert kept.drop(columns=["customer", "colour"]).equals(plain)
    capsys.readouterr()
    assert main([*line, "--keep", "client"]) == 2
    assert "--keep client: no such column in new.csv" in capsys.readouterr().err
    rows.assign(prediction=1).to_csv("new.csv", index=False)
    assert main([*line, "--keep", "prediction"]) == 2
    assert "the predictions have a column of that name" in capsys.readouterr().err


def test_a_model_of_one_feature_reads_files_of_one_column(frame: pd.DataFrame) -> None:
    frame[["income", "target"]].to_csv("t.csv", index=False)
    frame[["income"]].to_csv("new.csv", index=False)
    model = str(fit(Path("t.csv")) / "model")
    assert main(["predict", "--model", model, "new.csv", "--out", "p.csv"]) == 0
    assert len(pd.read_csv("p.csv")) == len(frame)
    assert by_checkpoint(Path(model).parent, "new.csv") == Path("p.csv").read_bytes()


def test_new_rows_may_hold_as_many_bytes_as_the_table(
    frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    frame.to_csv("t.csv", index=False)
    size = Path("t.csv").stat().st_size
    model = str(fit(Path("t.csv"), "--data.table.max_bytes", str(size)) / "model")
    frame.to_csv("new.csv", index=False)
    assert main(["predict", "--model", model, "new.csv"]) == 0
    pd.concat([frame, frame]).to_csv("new.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "--model", model, "new.csv"]) == 2
    said = f"allows {size:,} (a kept model has that of its fit): raise it"
    assert said in capsys.readouterr().err


def test_the_folder_knows_how_it_came_about(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit(csv)
    record = lit_causalmix.load_model(run / "model").record
    assert record["seed"] == 0
    assert record["base"] == record["base"] | {"weights": "random"}
    assert len(record["base"]["sha256"]) == len(record["data"]["train"]) == 64
    assert record["versions"]["torch"]
    assert record["settings"]["data"]["table"]["source"] == csv.name  # no place of this machine
    assert {row[0] for row in record["scores"]} == {"val", "test"}
    capsys.readouterr()
    assert main(["card", str(run / "model")]) == 0
    card = capsys.readouterr().out
    assert card == (run / "model" / "README.md").read_text()
    assert "| test | real | roc_auc |" in card


def test_an_adapter_is_worked_into_the_weights(csv: Path) -> None:
    pytest.importorskip("peft")
    run = fit(csv, "--model.adapter=LoRA")
    assert lit_causalmix.load_model(run / "model").predict(csv).shape == (160,)


def test_a_trial_keeps_no_model(csv: Path) -> None:
    fit(csv, "--trainer.fast_dev_run=true")
    assert not list(Path().rglob("model.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "--model", "nowhere", "t.csv"], "no model at nowhere"),
        (["predict", "--model=nowhere", "t.csv"], "no model at nowhere"),
        (["card", "nowhere"], "no model at nowhere"),
    ],
)
def test_a_folder_that_is_none_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_backbone_that_cannot_be_described_ends_the_fit_well(
    csv: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lit_causalmix.backbones import Tab2D

    monkeypatch.setattr(Tab2D, "arguments", lambda self: {"dim": {1, 2}})
    run = fit(csv)
    assert not (run / "model" / "model.json").exists()
    assert "no model is kept" in caplog.text
