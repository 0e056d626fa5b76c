"""Scores, curves and settings arrive at each logger, and each run has a folder of its own."""

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
VALIDATION, TEST = "val/real/roc_auc", "test/real/roc_auc"

OWN = """
from lightning.pytorch.loggers import Logger

SEEN = {"metrics": [], "settings": []}

class Unnumbered(Logger):
    name, version = "own", "always"

    def log_metrics(self, metrics, step=None):
        SEEN["metrics"].append((step, metrics))

    def log_hyperparams(self, params):
        SEEN["settings"].append(params)
"""


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


@pytest.fixture
def line(csv: Path) -> list[str]:
    """A fit of the tiny configuration to the table, to which options are added."""
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    return ["fit", "--config", str(TINY), *table]


def version(number: int) -> Path:
    return Path("runs") / "fit" / f"version_{number}"


def expected(folder: Path) -> tuple[list[float], float]:
    """ROC-AUC along the validations, zero-shot first, and on the test rows."""
    report = json.loads((folder / "report.json").read_text())
    rows = [r for r in report["rows"] if (r["stage"], r["domain"]) == ("test", "real")]
    (tested,) = (r["fine_tuned"]["value"] for r in rows if r["metric"] == "roc_auc")
    return [entry["roc_auc"] for entry in report["history"]], tested


def settings_of(folder: Path) -> Any:
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_tensorboard_has_scores_curves_and_settings(line: list[str]) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'lit-causalmix[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main([*line, "--config", "loggers/tensorboard"]) == 0
    assert not list(Path().rglob("metrics.csv"))
    events = EventAccumulator(str(version(0)))
    events.Reload()
    history, tested = expected(version(0))
    assert len(history) == 3
    logged = {event.step: event.value for event in events.Scalars(VALIDATION)}
    assert list(logged) == [0, 1, 3]
    assert list(logged.values()) == pytest.approx(history)
    assert events.Scalars(TEST)[0].value == pytest.approx(tested)
    (text,) = events.Tensors("settings/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert yaml.safe_load(shown.removeprefix("```yaml\n").removesuffix("```")) == settings_of(
        version(0)
    )
    assert events.Images("curves")[0].encoded_image_string.startswith(b"\x89PNG")


def records(file: Path) -> Iterator[Any]:
    """What a W&B run kept: records of protocol buffers, in blocks of 32 KiB with checksums."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:  # padding at the end of a block
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        place += 7
        if place + length > len(content):  # it is still being written
            return
        parts += content[place : place + length]
        place += length
        if kind in (1, 4):  # a whole one, or the last part of one
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def finished(file: Path) -> list[Any]:
    """All records of a run that was ended; a process of W&B's own writes them, in its time."""
    deadline = time.monotonic() + 60
    while True:
        kept = list(records(file))
        if any(record.HasField("exit") for record in kept):
            return kept
        assert time.monotonic() < deadline, "the run was not ended"
        time.sleep(0.1)


def test_wandb_has_a_run_for_each_fit(line: list[str]) -> None:
    pytest.importorskip("wandb", reason="pip install 'lit-causalmix[wandb]'")
    seen: set[Path] = set()
    for number in (0, 1):
        rate = f"--model.optimizer.init_args.lr={0.001 * (1 + number)}"
        assert main([*line, "--config", "loggers/wandb", rate]) == 0
        (file,) = {*Path("runs/wandb").glob("offline-run-*/run-*.wandb")} - seen
        seen.add(file)
        kept = finished(file)
        rows = [
            {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            for record in kept
            if record.HasField("history")
        ]
        history, tested = expected(version(number))
        assert [row[VALIDATION] for row in rows if VALIDATION in row] == pytest.approx(history)
        assert [row[TEST] for row in rows if TEST in row] == pytest.approx([tested])
        assert any("curves/_type" in row for row in rows)
        assert list(file.parent.glob("files/media/images/curves*.png"))
        updates = [u for r in kept for u in (*r.run.config.update, *r.config.update)]
        found = {u.key or u.nested_key[0]: json.loads(u.value_json) for u in updates}
        settings = settings_of(version(number))
        assert {name: found[name] for name in settings} == settings
    assert settings["model"]["optimizer"]["init_args"]["lr"] == 0.002


def test_mlflow_has_a_run_for_each_fit(line: list[str]) -> None:
    pytest.importorskip("mlflow", reason="pip install 'lit-causalmix[mlflow]'")
    pytest.importorskip("sqlalchemy", reason="pip install 'lit-causalmix[mlflow]'")
    from mlflow import MlflowClient

    for number in (0, 1):
        assert main([*line, "--config", "loggers/mlflow"]) == 0
        client = MlflowClient("sqlite:///runs/mlflow.db")
        experiment = client.get_experiment_by_name("lit-causalmix")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) == number + 1
        run = runs[0]  # the latest first
        assert run.info.status == "FINISHED"
        history, tested = expected(version(number))
        points = client.get_metric_history(run.info.run_id, VALIDATION)
        assert [p.step for p in points] == [0, 1, 3]
        assert [p.value for p in points] == pytest.approx(history)
        assert run.data.metrics[TEST] == pytest.approx(tested)
        assert run.data.params["model.optimizer.init_args.lr"] == "0.001"
        config = Path(client.download_artifacts(run.info.run_id, "config.yaml"))
        assert yaml.safe_load(config.read_text()) == settings_of(version(number))
        artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert artifacts == {"config.yaml", "curves.png"}


@pytest.fixture
def own_logger(tmp_path: Path) -> Iterator[dict[str, list[Any]]]:
    """What a logger that numbers no folders was told."""
    (tmp_path / "own_logger.py").write_text(OWN)
    sys.path.append(str(tmp_path))
    import own_logger

    yield own_logger.SEEN
    sys.path.remove(str(tmp_path))
    del sys.modules["own_logger"]


def test_every_run_has_a_folder_with_a_logger_that_gives_none(
    line: list[str], own_logger: dict[str, list[Any]]
) -> None:
    line += ["--trainer.logger=own_logger.Unnumbered"]
    assert main(line) == 0
    assert main([*line, "--model.optimizer.init_args.lr=0.002"]) == 0
    last = version(0) / "checkpoints" / "last.ckpt"
    own_logger["metrics"].clear()
    assert main([*line, f"--ckpt_path={last}", "--trainer.max_epochs=3"]) == 0
    runs = [json.loads((version(n) / "run.json").read_text()) for n in range(3)]
    assert len({run["id"] for run in runs}) == 3
    assert [run["lineage"] for run in runs] == [[], [], [runs[0]["id"]]]
    for number, run in enumerate(runs):
        kept = ("best.ckpt", "checkpoints/last.ckpt")
        states = [torch.load(version(number) / name, weights_only=True) for name in kept]
        assert [state["run"]["id"] for state in states] == [run["id"]] * 2
        assert (version(number) / "model" / "model.json").is_file()
        assert own_logger["settings"][number] == settings_of(version(number))
    assert {path.name for path in Path().iterdir()} - {"__pycache__"} == {
        *("mixed.csv", "own_logger.py", "cache", "runs")
    }
    # A fit that goes on hands over what it goes on from, so that its curve is whole.
    points = [(step, m[VALIDATION]) for step, m in own_logger["metrics"] if VALIDATION in m]
    assert [step for step, _ in points] == [0, 1, 3, 5]
    assert [value for _, value in points] == pytest.approx(expected(version(2))[0])


def test_predictions_have_the_folder_of_the_first_logger_and_are_logged_nowhere(
    line: list[str], csv: Path, own_logger: dict[str, list[Any]]
) -> None:
    assert main([*line, "--trainer.logger+=own_logger.Unnumbered"]) == 0
    assert (version(0) / "metrics.csv").is_file()
    assert len(own_logger["settings"]) == 1
    config = str(version(0) / "config.yaml")
    assert main(["predict", "--config", config, f"--data.predict_source={csv}"]) == 0
    assert Path("runs/fit-predict/version_0/predictions.csv").is_file()
    assert len(own_logger["settings"]) == 1


def test_a_logger_without_its_package_is_refused_with_what_to_install(
    line: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.mlflow._MLFLOW_AVAILABLE", False)
    assert main([*line, "--trainer.logger=MLFlowLogger"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "ModuleNotFoundError" in said
