import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main

Declare = Callable[..., dict[str, Any]]


@pytest.fixture
def grid(study: Declare, tmp_path: Path) -> Path:
    """A file with two methods and one seed on two tables."""
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(study(methods=["default", "jitter"], seeds=[0])))
    return path


def run(command: str, *options: str) -> int:
    return main(["study", command, "--config", "grid.yaml", *options])


def test_a_study_from_plan_to_table(
    grid: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("run", "--plan") == 0
    said = capsys.readouterr().out
    assert "4 cells, 4 different fits: 0 finished, 0 failed, 4 to run" in said
    assert not Path("runs").exists()

    assert run("run", "--threads=1", "--only=table=first") == 0
    captured = capsys.readouterr()
    assert "study: 2 of 2" in captured.err
    assert "2 cells, 2 different fits: 2 finished" in captured.out
    assert run("status") == 0
    assert "method: default 1/2, jitter 1/2" in capsys.readouterr().out

    assert run("run", "--threads=1") == 0
    ended = capsys.readouterr().out
    assert run("table") == 0
    table = capsys.readouterr().out
    assert ended.endswith(table)  # a study that is finished ends with its comparison
    assert "classification: roc_auc, improvement on zero-shot in %" in table
    for word in ("default", "jitter", "first", "second", "average rank", "improved"):
        assert word in table
    assert run("table", "--metric=log_loss") == 0
    assert "classification: log_loss" in capsys.readouterr().out

    assert run("export") == 0
    assert capsys.readouterr().out == "4 finished cells: runs/study/grid.jsonl.gz\n"
    file = Path("runs/study/grid.jsonl.gz")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert {json.loads(line)["status"] for line in lines} == {"ok"}
    assert main(["study", "merge", str(file), "--out", "elsewhere"]) == 0
    assert "4 taken, 0 known before" in capsys.readouterr().out
    # A study goes on elsewhere from where it stands: nothing is left to run.
    assert run("run", "--out=elsewhere", "--plan") == 0
    assert "4 finished, 0 failed, 0 to run" in capsys.readouterr().out


def test_a_failed_cell_is_told_and_the_rest_goes_on(
    study: Declare, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv("second.csv")
    frame["target"] = [f"class {i % 12}" for i in range(len(frame))]
    frame.to_csv("second.csv", index=False)  # more classes than the backbone takes
    declared = study(methods=["default"], seeds=[0])
    Path("grid.yaml").write_text(yaml.safe_dump(declared))
    assert run("run", "--threads=1") == 1
    said = capsys.readouterr().out
    assert "1 finished, 1 failed, 0 to run" in said
    assert "failed: default on second, seed 0: LimitError: Tab2D takes at most 10 classes" in said
    assert "--retry_failed true" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "gird.yaml"], "no study 'gird.yaml': neither a YAML file nor one of"),
        (["--only", "method=jiter"], "no cell has method jiter; there are default, jitter"),
        (["--only", "models=x"], "takes LABEL=VALUE,... with a label of table, method"),
        (["--seeds", "[x]"], "seeds is a list of integers >= 0, got ['x']"),
        (["--seeds", "3"], "seeds is a list of integers >= 0, got 3"),
        (["--tables", "[nope]"], "no table 'nope'"),
        (["--jobs", "two"], "jobs"),
        (["--backend", "spark", "--limit", "1"], "backend is one of loky, ray, dask"),
        (["--out", "grid.yaml"], "grid.yaml is a file"),
    ],
)
def test_mistakes_are_refused_in_one_line(
    grid: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run("run", *options) == 2
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if line.startswith("lit-causalmix: error: ")]
    assert len(said) == 1
    assert message in said[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: [a\n", "not readable as YAML"),
        ("- tables\n", "holds no configuration"),
        ("tables: [a]\nmethod: {}\n", "a study has no method; there are tables, methods"),
        ("tables: [a]\n3: {}\nnull: {}\nmethod: {}\n", "a study has no 3, None, method; there"),
        ("tables: [a]\n", "a study needs methods"),
        ("tables: a\nmethods: {x: null}\n", "tables is a list of names or mappings"),
        ("tables: [a]\nmethods: [x]\n", "methods is a mapping"),
    ],
)
def test_a_file_that_declares_no_study_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert main(["study", "run", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_help_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 2
    assert main(["study", "--help"]) == 0
    assert "study run --config comparison" in capsys.readouterr().out
    assert main(["study", "rnu"]) == 2
    assert "unknown command study 'rnu'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[data", "{a: 1, a: 2}", "2024-99-99"])
def test_an_option_that_is_no_yaml_is_refused_in_one_line(
    grid: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", f"--tables={text}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--tables is a YAML list such as [credit_g, concrete], got {text!r}: " in line
