"""`inspect --what_if`: the question, its answer in words, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.inspection.what_if import cells
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

EDGES = [["hours", "points"], ["points", "passed"]]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    hours = draws.uniform(0, 10, 300)
    points = 3 * hours + draws.normal(0, 0.5, 300)
    other = draws.choice(["red", "blue"], 300)
    passed = np.where(points + draws.normal(0, 3, 300) > 15, "yes", "no")
    table = {"hours": hours, "points": points, "other": other, "passed": passed}
    pd.DataFrame(table).to_csv("exam.csv", index=False)


def inspect(*args: str, generator: str = "SCMGenerator", **settings: object) -> int:
    config = {
        "data": {
            "table": {"source": "exam.csv", "target": "passed"},
            "generator": {
                "class_path": f"lit_causalmix.generators.{generator}",
                "init_args": settings,
            },
        }
    }
    Path("inspect.yaml").write_text(yaml.safe_dump(config))
    return main(["inspect", "--config=inspect.yaml", "--data.cache_dir=c", "--out=p.html", *args])


def validation_row(capsys: pytest.CaptureFixture[str]) -> int:
    """A row that the command itself names in its refusal of one that is not there."""
    settings = {"edges": EDGES, "mechanism": "linear", "scale": "raw"}
    assert inspect("--what_if={row: 999, do: {hours: 1}}", **settings) != 0
    told = capsys.readouterr().err
    assert "999 is none" in told
    return int(re.findall(r"such as (\d+)", told)[0])


def test_the_page_says_what_a_row_would_have_been(capsys: pytest.CaptureFixture[str]) -> None:
    row = validation_row(capsys)
    hours, points = pd.read_csv("exam.csv").loc[row, ["hours", "points"]]
    settings = {"edges": EDGES, "mechanism": "linear", "scale": "raw"}
    question = f"--what_if={{row: {row}, do: {{hours: {hours / 2 + 2}}}}}"
    assert inspect(question, **settings) == 0
    text = re.sub("<[^>]+>", " ", Path("p.html").read_text())
    assert f"What if row {row} had had hours = {hours / 2 + 2:.5g}?" in text
    section = text[text.index("What if row") : text.rindex("Columns, real and synthetic")]
    moved = re.search(r"points\s+(-?[\d.]+)\s+(-?[\d.]+)\s+100%", section)
    assert moved is not None
    assert float(moved[1]) == pytest.approx(points, rel=1e-3)
    assert float(moved[2]) == pytest.approx(points + 3 * (2 - hours / 2), abs=0.3)
    assert "other" not in section.split("changed in")[1]  # which nothing acts on
    assert "Its target passed would have been" in section


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("{row: 0, do: {height: 1}}", "no column 'height'"),
        ("{row: 0, do: {other: green}}", "no label 'green'"),
        ("{row: -1, do: {hours: 1}}", "training or validation row"),
    ],
)
def test_a_question_that_has_no_answer_is_one_line(
    question: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "row: 0" in question:
        question = question.replace("row: 0", f"row: {validation_row(capsys)}")
    assert inspect(f"--what_if={question}", edges=EDGES, mechanism="linear") != 0
    told = [line for line in capsys.readouterr().err.splitlines() if "error" in line.lower()]
    assert message in told[-1]


def test_a_generator_without_causes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    question = "--what_if={row: 0, do: {hours: 1}}"
    assert inspect(question, generator="JitterGenerator") != 0
    assert "JitterGenerator does not" in capsys.readouterr().err


def test_cells_are_told_as_one_value_a_range_or_shares() -> None:
    schema = Schema(
        (Column("n", ColumnKind.NUMERICAL, integer=True),),
        Column("c", ColumnKind.CATEGORICAL, ("a", "b")),
        TaskType.BINARY,
    )
    number, label = schema.columns
    real = np.array([3.0, 0.0])
    found = np.column_stack([np.arange(101.0), np.repeat([0.0, 1.0], [76, 25])])
    assert cells(number, schema, 0, real, found) == ("3", "50 (5 to 95 in nine of ten draws)")
    assert cells(label, schema, 1, real, found) == ("a", "a (75%), b (25%)")
    assert cells(number, schema, 0, real, found[:1]) == ("3", "0")
    gap = np.array([np.nan, 1.0])
    assert cells(number, schema, 0, gap, gap[None]) == ("missing", "missing")
