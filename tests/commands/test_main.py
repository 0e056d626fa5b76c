import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def run(*args: str, table: Path | None = None, tmp_path: Path | None = None) -> int:
    """Runs one command on a table with the tiny configuration."""
    line = [args[0], "--config", str(TINY), "--data.cache_dir", "cache"]
    if table is not None:
        line += [f"--data.table.source={table}"]
    return main([*line, *args[1:]])


def version(number: int) -> Path:
    return Path("runs") / "fit" / f"version_{number}"


def test_fit_reports_zero_shot_fine_tuned_and_normalised(
    csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run("fit", "--data.table.target=target", "--data.table.domain=retail", table=csv)
    output = capsys.readouterr().out
    assert status == 0
    lines = output.splitlines()
    assert "mixed: SCM, ratio 0.5, test rows" in lines
    header = next(line for line in lines if line.startswith("domain"))
    models = ["random", "forest", "boosting"]
    columns = ["domain", "metric", "zero-shot", "fine-tuned", "normalised"]
    assert header.split() == columns + models
    scored = [line.split()[0] for line in lines if "↑" in line or "↓" in line]
    assert scored == ["real"] * 6  # the table's domain has the same scores
    assert str(version(0) / "best.ckpt") in output
    assert (version(0) / "curves.png").stat().st_size > 5_000
    report = json.loads((version(0) / "report.json").read_text())
    assert {row["metric"] for row in report["rows"]} == {
        "roc_auc",
        "log_loss",
        "accuracy",
        "balanced_accuracy",
        "ece",
        "brier",
    }
    assert len(report["history"]) == 3  # zero-shot and two epochs


def test_validate_test_and_predict_from_a_runs_own_config_and_checkpoint(
    csv: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", "--data.table.target=target", table=csv) == 0
    first = json.loads((version(0) / "report.json").read_text())
    config, best = str(version(0) / "config.yaml"), str(version(0) / "best.ckpt")
    for command in ("validate", "test"):
        assert main([command, "--config", config, "--ckpt_path", best]) == 0
    tested = json.loads((version(2) / "report.json").read_text())
    assert [r["fine_tuned"] for r in tested["rows"]] == [r["fine_tuned"] for r in first["rows"]]

    new = frame.drop(columns="target").sample(frac=1.0, random_state=3)
    new.to_csv("new.csv", index=False)
    options = ["--data.predict_source=new.csv", "--data.max_query_rows=50"]
    assert main(["predict", "--config", config, "--ckpt_path", best, *options]) == 0
    predictions = pd.read_csv(Path("runs/fit-predict/version_0/predictions.csv"))
    assert list(predictions) == ["prediction", "probability_bad", "probability_good"]
    assert len(predictions) == len(new)
    assert np.allclose(predictions.iloc[:, 1:].sum(axis=1), 1, atol=1e-5)
    # Row order is the input's: reversing the input reverses the output.
    new.iloc[::-1].to_csv("new.csv", index=False)
    assert main(["predict", "--config", config, "--ckpt_path", best, *options]) == 0
    reverse = pd.read_csv(Path("runs/fit-predict/version_1/predictions.csv"))
    assert np.allclose(reverse["probability_bad"][::-1], predictions["probability_bad"], atol=1e-5)


def test_regression_runs_from_csv_to_predictions(make_frame: Any, tmp_path: Path) -> None:
    frame = make_frame(regression=True)
    frame.to_csv("prices.csv", index=False)
    options = ["--data.table.target=target", "--model.backbone.task=regression"]
    assert run("fit", *options, table=Path("prices.csv")) == 0
    report = json.loads((version(0) / "report.json").read_text())
    assert {row["metric"] for row in report["rows"]} == {"rmse", "mae", "r2"}
    config = str(version(0) / "config.yaml")
    assert main(["predict", "--config", config, "--data.predict_source=prices.csv"]) == 0
    predictions = pd.read_csv(Path("runs/fit-predict/version_0/predictions.csv"))
    assert list(predictions) == ["prediction"]
    assert frame["target"].min() - 5 < predictions["prediction"].mean() < frame["target"].max() + 5


def test_an_interrupted_fit_resumes(csv: Path) -> None:
    options = ["--data.table.target=target", "--trainer.callbacks+=ModelSummary"]
    assert run("fit", *options, "--trainer.max_epochs=3", table=csv) == 0
    assert run("fit", *options, "--trainer.max_epochs=2", table=csv) == 0
    last = str(version(1) / "checkpoints" / "last.ckpt")
    assert run("fit", *options, "--trainer.max_epochs=3", f"--ckpt_path={last}", table=csv) == 0
    whole = torch.load(version(0) / "checkpoints" / "last.ckpt", weights_only=True)
    resumed = torch.load(version(2) / "checkpoints" / "last.ckpt", weights_only=True)
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name


def test_every_packaged_configuration_parses(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[2] / "configs"
    # Those of a study are grids of such configurations: tests/study reads them.
    files = sorted(p for p in folder.rglob("*.yaml") if p.parent.name != "study")
    assert files
    for path in files:
        table = ["--data.table.source=german_credit"]
        begun = path.with_stem(path.stem.removesuffix("-end"))  # an early end is laid over a plan
        own_data = "class_path" in yaml.safe_load(begun.read_text()).get("data", {})
        configs = [f"--config={file}" for file in dict.fromkeys((begun, path))]
        with pytest.raises(SystemExit) as stop:
            main(["fit", *configs, *([] if own_data else table), "--print_config"])
        assert stop.value.code == 0, path
        assert "trainer:" in capsys.readouterr().out


def test_a_packaged_configuration_is_found_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("quickstart", "configs/quickstart.yaml"):
        with pytest.raises(SystemExit):
            main(["fit", "--config", name, "--print_config"])
        shown = yaml.safe_load(capsys.readouterr().out)
        assert shown["data"]["table"]["source"] == "german_credit"


def test_help_is_fast_and_complete() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-m", "lit_causalmix", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
    for command in ("fit", "validate", "test", "predict", "weights", "inspect"):
        assert f"\n  {command} " in result.stdout


def test_unknown_commands_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fti"]) == 2
    assert "unknown command 'fti'" in capsys.readouterr().err
    assert main([]) == 2


def test_an_interruption_is_said_and_loses_nothing(csv: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lit_causalmix", "fit", "--config", str(TINY)]
    command += [f"--data.table.source={csv}", "--data.table.target=target"]
    command += ["--data.cache_dir=cache", "--config", str(TINY.with_name("endless.yaml"))]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with interruptions ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    last = version(0) / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 240  # a busy machine takes its time
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    for name in ("checkpoints/last.ckpt", "best.ckpt"):
        assert "state_dict" in torch.load(version(0) / name, weights_only=True)
    assert (version(0) / "curves.png").is_file()


INTERRUPTING = """
import signal
import lightning.pytorch as pl

class Interrupting(pl.Callback):
    def on_test_start(self, trainer, pl_module):
        signal.raise_signal(signal.SIGINT)
"""


def test_an_interrupted_test_is_said_as_an_interrupted_fit_is(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("interrupting_a_test.py").write_text(INTERRUPTING)
    monkeypatch.syspath_prepend(str(tmp_path))
    callback = "--trainer.callbacks+=interrupting_a_test.Interrupting"
    before = signal.getsignal(signal.SIGINT)
    assert run("test", "--data.table.target=target", callback, table=csv) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "lit-causalmix: interrupted"
    assert signal.getsignal(signal.SIGINT) == before


def test_a_trial_run_leaves_no_files(csv: Path) -> None:
    before = set(Path().rglob("*"))
    assert run("fit", "--data.table.target=target", "--trainer.fast_dev_run=true", table=csv) == 0
    after = {p for p in Path().rglob("*") if "cache" not in p.parts}
    assert after == before
