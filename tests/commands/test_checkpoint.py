"""`--ckpt_path`: a checkpoint goes with its table, split, task and backbone."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
TOYS = Path(__file__).parents[1] / "toys"


@pytest.fixture
def run(
    csv: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder of a finished fit on `mixed.csv`, in the working directory; made once."""
    kept = tmp_path_factory.getbasetemp() / "fitted-once"
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    monkeypatch.chdir(tmp_path)
    if not kept.exists():
        assert main(line("fit")) == 0
        shutil.copytree(tmp_path, kept)
    else:
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return Path("runs/fit/version_0")


def line(command: str, *options: str, source: str = "mixed.csv") -> list[str]:
    table = [f"--data.table.source={source}", "--data.table.target=target"]
    return [command, "--config", str(TINY), "--data.cache_dir=cache", *table, *options]


def refused(capsys: pytest.CaptureFixture[str], args: list[str]) -> str:
    capsys.readouterr()
    before = set(Path("runs/fit").iterdir())
    assert main(args) == 2
    said = capsys.readouterr().err.splitlines()
    assert [s for s in said if s.startswith("lit-causalmix: error: ")] == said[-1:]
    assert set(Path("runs/fit").iterdir()) == before  # refused before anything is written
    return said[-1]


def test_shuffled_rows_give_the_same_scores_and_probabilities(
    run: Path, frame: pd.DataFrame
) -> None:
    frame.sample(frac=1.0, random_state=1).to_csv("shuffled.csv", index=False)
    best = f"--ckpt_path={run / 'best.ckpt'}"
    for number, source in ((1, "mixed.csv"), (2, "shuffled.csv")):
        assert main(line("test", best, source=source)) == 0
        options = [best, "--data.predict_source=mixed.csv"]
        assert main(line("predict", *options, source=source)) == 0
        report = json.loads(Path(f"runs/fit/version_{number}/report.json").read_text())
        rows = [row["fine_tuned"] for row in report["rows"]]
        predictions = Path(f"runs/fit-predict/version_{number - 1}/predictions.csv").read_bytes()
        if number == 1:
            expected = rows, predictions
    assert (rows, predictions) == expected


def test_a_fit_goes_on_with_its_own_table_split_and_task_alone(
    run: Path, frame: pd.DataFrame, make_frame: object, capsys: pytest.CaptureFixture[str]
) -> None:
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    message = refused(capsys, line("fit", last, "--data.split.seed=1"))
    assert "belongs to another fit: its split's seed is 0, here 1" in message
    frame.head(150).to_csv("other.csv", index=False)
    message = refused(capsys, line("fit", last, source="other.csv"))
    assert "its table 'mixed' has 160 rows, this one 150" in message
    make_frame(regression=True).to_csv("prices.csv", index=False)  # type: ignore[operator]
    options = [last, "--model.backbone.task=regression"]
    message = refused(capsys, line("fit", *options, source="prices.csv"))
    assert "its task is binary, this table's regression" in message


def test_no_row_that_was_trained_on_is_scored_as_test(
    run: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    best = f"--ckpt_path={run / 'best.ckpt'}"
    message = refused(capsys, line("test", best, "--data.split.seed=1"))
    assert "rows to score were trained on or selected by" in message
    frame.head(150).to_csv("other.csv", index=False)
    for command in ("validate", "test"):
        assert "of which this holds a part" in refused(
            capsys, line(command, best, source="other.csv")
        )


def test_another_table_may_be_scored_which_is_said(
    run: Path, make_frame: object, capsys: pytest.CaptureFixture[str]
) -> None:
    make_frame(seed=9).to_csv("apart.csv", index=False)  # type: ignore[operator]
    assert main(line("test", f"--ckpt_path={run / 'best.ckpt'}", source="apart.csv")) == 0
    assert "the checkpoint is of another table ('mixed')" in capsys.readouterr().err


def test_a_checkpoint_of_weights_alone_is_not_trained_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, line("fit", f"--ckpt_path={run / 'best.ckpt'}"))
    assert "holds weights alone" in message
    assert "checkpoints/last.ckpt" in message


def test_another_backbone_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = f"--ckpt_path={run / 'best.ckpt'}"
    message = refused(capsys, line("test", best, "--model.backbone=Nano"))
    assert "weights of lit_causalmix.backbones.Tab2D, the model's backbone is" in message
    assert main(line("test", best, "--model.backbone.dim=32")) == 2
    assert "weights of another model: backbone." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.optimizer.init_args.lr=0.5", "has lr 0.001, model.optimizer has lr 0.5"),
        ("--model.optimizer.init_args.weight_decay=0", "has weight_decay 0.01, model.optimizer"),
        ("--model.optimizer=torch.optim.SGD", "adamw.AdamW, model.optimizer is torch.optim.sgd"),
        (
            "--model.freeze=[head]",
            "its optimiser trains embedding, layers, head, this fit embedding, layers ",
        ),
        (
            "--model.lr_scheduler={class_path: StepLR, init_args: {step_size: 3}}",
            "has the schedule none, model.lr_scheduler is torch.optim.lr_scheduler.StepLR(",
        ),
        ("--model.selection=FixedBudget", "selected by lit_causalmix.training.RealValidation(), "),
    ],
)
def test_a_fit_goes_on_with_its_own_optimiser_and_selection_alone(
    option: str, message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    assert message in refused(capsys, line("fit", last, option))
    assert main(line("test", last, option)) == 0  # a test has neither


@pytest.mark.parametrize(
    ("schedule", "changed", "taken"),
    [
        ("StepLR, init_args: {step_size: 3, gamma: 0.5}", "gamma: 0.1", 2),
        (
            "lit_causalmix.training.optim.WarmupStableDecay, "
            "init_args: {total_steps: 9, warmup_steps: 1, decay_steps: 2}",
            "total_steps: 7",
            0,
        ),
    ],
)
def test_a_schedule_may_change_where_its_numbers_are_the_configurations(
    schedule: str, changed: str, taken: int, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = f"--model.lr_scheduler={{class_path: {schedule}}}"
    assert main(line("fit", asked)) == 0
    name = changed.partition(":")[0]
    other = re.sub(rf"{name}: [\d.]+", changed, asked)
    last = f"--ckpt_path={run.with_name('version_1') / 'checkpoints' / 'last.ckpt'}"
    assert main(line("fit", last, other, "--trainer.max_epochs=3")) == taken
    if taken:
        said = capsys.readouterr().err
        assert "StepLR(step_size=3, gamma=0.5), model.lr_scheduler is" in said


@pytest.mark.parametrize("command", ["fit", "test"])
def test_other_weights_to_begin_with_are_refused(
    command: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    assert main(line(command, last, "--model.backbone.seed=7")) == 2
    assert "began with other weights of the backbone (SHA-256 " in capsys.readouterr().err
    assert main(line("predict", last, "--data.predict_source=mixed.csv")) == 0


def test_a_metric_that_is_asked_for_later_is_scored_from_then_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOYS))
    asked = ("--config", str(TOYS / "metric.yaml"))
    assert main(line("test", f"--ckpt_path={run / 'best.ckpt'}", *asked)) == 0
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    assert main(line("fit", last, *asked, "--trainer.max_epochs=3")) == 0
    tested, resumed = (
        json.loads(Path(f"runs/fit/version_{number}/report.json").read_text()) for number in (1, 2)
    )
    for report in (tested, resumed):
        rows = [row for row in report["rows"] if row["metric"] == "top_two"]
        assert [row["zero_shot"]["value"] for row in rows] == [1.0] * len(rows) != []
    assert {point["top_two"] for point in tested["history"]} == {None}
    assert [point["top_two"] for point in resumed["history"]] == [1.0, None, None, 1.0]
    assert Path("runs/fit/version_2/model/model.json").is_file()


@pytest.mark.parametrize("keyword", ["best", "last", "hpc"])
@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_word_for_which_there_is_no_checkpoint_is_refused(
    run: Path, keyword: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, line(command, f"--ckpt_path={keyword}"))
    assert f"--ckpt_path {keyword} finds no checkpoint" in message


def test_weights_without_a_checkpoint_are_said_to_be_zero_shot(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line("predict", "--data.predict_source=mixed.csv")) == 0
    said = [s for s in capsys.readouterr().err.splitlines() if "zero-shot" in s]
    assert len(said) == 1
    assert "--ckpt_path RUN/best.ckpt" in said[0]
