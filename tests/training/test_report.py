import json
import math
from pathlib import Path

import pytest

from lit_causalmix.files.atomic import write_json
from lit_causalmix.metrics import Score
from lit_causalmix.training.report import brief, format_table, report_rows, score_to_json


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    content = {"a": math.inf, "b": [-math.inf, {"c": math.nan}, 1e300], "NaN": "Infinity", "n": 2}
    write_json(tmp_path / "r.json", content)
    found = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert found == {"a": None, "b": [None, {"c": None}, 1e300], "NaN": "Infinity", "n": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_an_infinite_score_says_why_it_has_no_number() -> None:
    assert score_to_json(Score(math.inf)) == {
        "value": None,
        "note": "inf: beyond the range of float64",
    }
    assert score_to_json(Score(2.5)) == {"value": 2.5, "note": ""}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.75711, "0.7571"),
        (0.0, "0.0000"),
        (1e60, "1e+60"),
        (-2.5e-50, "-2.5e-50"),
        (math.nan, "undefined"),
    ],
)
def test_scores_of_any_size_are_short(value: float, text: str) -> None:
    assert brief(value) == text


def test_a_table_shows_each_score_once_and_other_models_beside() -> None:
    scores = {
        "real/rmse": Score(2.0),
        "real/r2": Score(math.nan, "no"),
        "perturbed_1/rmse": Score(9),
    }
    alone = scores | {"retail/rmse": Score(2.0), "retail/r2": Score(math.nan, "no")}
    several = scores | {"retail/rmse": Score(1.0), "retail/r2": Score(0.5)}
    references = {"forest": {"real/rmse": Score(1.5)}}
    shown = format_table(report_rows("m", "test", alone, alone, {}), references).splitlines()
    assert [line.split()[0] for line in shown[2:5]] == ["real", "real", "perturbed_1"]
    assert shown[0].split()[-1] == "forest"
    assert shown[2].split()[-1] == "1.5000"
    assert shown[4].split()[-1] == "undefined"  # the reference has no score of these rows
    both = format_table(report_rows("m", "test", several, several, {})).splitlines()
    assert [line.split()[0] for line in both[2:7]] == ["real"] * 2 + ["perturbed_1"] + [
        "retail"
    ] * 2
