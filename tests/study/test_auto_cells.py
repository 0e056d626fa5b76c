"""Cells that compare candidates: a method of a study like any other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.ensembles import AutoSettings
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.candidates import read_candidates
from lit_causalmix.study.grid import plan
from lit_causalmix.study.identity import RECIPE, cell_key, content_hash
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store

HARMFUL = {"name": "harmful", "model": {"optimizer": {"init_args": {"lr": 50.0}}}}
AUTO: dict[str, Any] = {
    "auto": {"candidates": ["baselines/default", HARMFUL], "first_folds": 1},
    "data": {"folds": 2, "synthetic_ratio": 0.0},
    "model": {"selection": "CautiousValidation"},
}


def declared(study: Callable[..., dict[str, Any]], **fields: Any) -> dict[str, Any]:
    content = study(methods=["default"], seeds=[0], **fields)
    content["tables"] = content["tables"][:1]
    content["methods"]["auto"] = AUTO
    content["base"]["trainer"]["callbacks+"] = ["lit_causalmix.callbacks.ScoreTrajectory"]
    return content


def test_a_method_that_compares_is_run_kept_and_reported(
    study: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    content = declared(study, sizes=[0, 1])
    Path("grid.yaml").write_text(yaml.safe_dump(content))
    assert main(["study", "run", "--config", "grid.yaml", "--threads=1"]) == 0
    cells = {cell.method: cell for cell in plan(StudySpec(**content))}
    assert set(cells) == {"default", "auto"}
    assert (cells["auto"].ratio, cells["auto"].size) == (0.0, 0.0)
    record = Store(Path("runs/study/grid")).get(cells["auto"].key)
    assert record is not None
    assert record["status"] == "ok"
    assert record["chosen"] == "default"
    fates = {entry["candidate"]: entry["fate"] for entry in record["auto"]}
    assert fates == {"default": "chosen", "harmful": "left out after rung 1"}
    default = Store(Path("runs/study/grid")).get(cells["default"].key)
    assert default is not None
    assert record["weights"] == default["weights"]
    assert "trajectory" in default
    assert "trajectory" not in record  # it knows one model alone
    assert record["normalized"]["test"]["real/roc_auc"] != 0.0
    assert record["normalized"]["val"]["real/roc_auc"] > 1.0
    capsys.readouterr()
    assert main(["study", "run", "--config", "grid.yaml", "--plan"]) == 0
    assert "2 finished, 0 failed, 0 to run" in capsys.readouterr().out
    assert main(["study", "table", "--config", "grid.yaml"]) == 0
    assert "auto" in capsys.readouterr().out
    assert main(["study", "report", "--config", "grid.yaml", "--out", "page.html"]) == 0
    assert "auto" in Path("page.html").read_text(encoding="utf-8")


def test_a_key_holds_what_the_candidates_say(
    study: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def keys(**auto: Any) -> dict[str, str]:
        content = declared(study)
        content["methods"]["auto"] = AUTO | {"auto": AUTO["auto"] | auto}
        return {cell.method: cell.key for cell in plan(StudySpec(**content))}

    plain = keys()
    copy = tmp_path / "mine.yaml"
    copy.write_text(
        yaml.safe_dump(
            {"data": {"synthetic_ratio": 0.0, "synthetic_size": None, "generator": None}}
        )
    )
    same = keys(candidates=[{"name": "default", "config": str(copy)}, HARMFUL])
    assert same == plain  # whatever file says it
    copy.write_text(yaml.safe_dump({"data": {"synthetic_ratio": 0.25}}))
    other = keys(candidates=[{"name": "default", "config": str(copy)}, HARMFUL])
    assert other["default"] == plain["default"]
    assert len({plain["auto"], other["auto"], keys(first_folds=2)["auto"]}) == 3
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("candidate", "rows", "screens"),
    [
        ("baselines/causalmixft", (200, 150), True),  # folds of 350 rows
        ("baselines/causalmixft", (200, 100), False),
        ("baselines/causalmixft", (200, None), True),
        ("baselines/jitter", (200, None), False),
    ],
)
def test_a_key_says_how_mechanisms_of_candidates_are_chosen(
    candidate: str, rows: tuple[int, int | None], screens: bool
) -> None:
    recipe = read_candidates(AutoSettings([candidate]))
    asked = {
        "data": {"split": {"max_train_rows": rows[0], "max_val_rows": rows[1]}},
        "auto": {"candidates": [{"name": name, **found} for name, found in recipe.items()]},
    }
    plain = content_hash({"recipe": RECIPE, "asked": asked, "weights": "w"})
    assert (cell_key(asked, "w") != plain) == screens


@pytest.mark.parametrize(
    ("auto", "message"),
    [
        ({"candidates": ["baselines/nope"]}, "no configuration 'baselines/nope'"),
        ({"candidate": []}, "auto takes candidates, first_folds, time_limit"),
        ([], "auto takes candidates, first_folds, time_limit"),
        ({"candidates": []}, "one at least"),
    ],
)
def test_what_cannot_be_compared_is_refused_when_planning(
    study: Callable[..., dict[str, Any]], auto: Any, message: str
) -> None:
    content = declared(study)
    content["methods"]["auto"] = AUTO | {"auto": auto}
    with pytest.raises(ConfigurationError, match=message):
        plan(StudySpec(**content))
