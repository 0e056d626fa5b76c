"""Bad input through the command line: one clear line, a status that is not 0, nothing lost."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def refused(capsys: pytest.CaptureFixture[str], source: str | Path, *options: str) -> str:
    """Runs a fit that must be refused, and returns the one line that it says."""
    line = ["fit", "--config", str(TINY), f"--data.table.source={source}"]
    line += ["--data.table.target=target", "--data.cache_dir=cache", *options]
    status = main(line)
    captured = capsys.readouterr()
    said = [s for s in captured.err.splitlines() if s.startswith("lit-causalmix: error: ")]
    assert status != 0
    assert len(said) == 1, captured.err
    assert "Traceback" not in captured.err + captured.out
    return said[0]


def with_column(name: str, value: object) -> Change:
    return lambda frame: frame.assign(**{name: value})


def constant_features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(age=1.0, income=2.0, colour="red", member="no")


def one_row_class(frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[3, "target"] = "odd"
    return changed


def infinite(frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[5, "age"] = np.inf
    return changed


def mixed_types(frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy()
    changed["age"] = [f"{v + i / 7:.3f}" for i, v in enumerate(changed["age"])]
    changed.loc[::9, "age"] = "unknown"
    return changed


def dates(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(when=pd.date_range("2020-01-01", periods=len(frame)).strftime("%Y-%m-%d"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.head(1), "row"),
        (lambda f: f.head(0), "row"),
        (lambda f: f.drop(columns="target"), "target"),
        (with_column("target", "good"), "target"),
        (one_row_class, "odd"),
        (constant_features, "constant|varies"),
        (infinite, "infinit|inf"),
        (mixed_types, "age"),
        (dates, "when"),
    ],
    ids=[
        "one row",
        "no rows",
        "absent target",
        "constant target",
        "a class with one row",
        "every column constant",
        "infinity",
        "mixed types",
        "dates",
    ],
)
def test_tables_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], frame: pd.DataFrame, change: Change, said: str
) -> None:
    import re

    change(frame).to_csv("table.csv", index=False)
    assert re.search(said, refused(capsys, "table.csv"))


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.csv" in refused(capsys, "nowhere.csv")


def test_an_empty_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.csv").touch()
    assert "empty" in refused(capsys, "empty.csv")


def test_bytes_that_are_not_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    Path("latin.csv").write_bytes("größe,target\n1,a\n2,b\n".encode("latin-1"))
    assert "UTF-8" in refused(capsys, "latin.csv")


def test_duplicate_column_names(capsys: pytest.CaptureFixture[str]) -> None:
    Path("twice.csv").write_text("a,a,target\n" + "1,2,x\n3,4,y\n" * 20)
    assert "'a'" in refused(capsys, "twice.csv")


def test_a_million_categories(capsys: pytest.CaptureFixture[str]) -> None:
    n = 1_000_000
    ids = np.char.add("id", np.arange(n).astype(str))
    frame = pd.DataFrame({"id": ids, "x": np.arange(n) % 97, "target": np.arange(n) % 2})
    frame.to_csv("ids.csv", index=False)
    message = refused(capsys, "ids.csv")
    assert "'id'" in message
    assert "categories" in message


@pytest.mark.parametrize(
    ("columns", "option", "said"),
    [
        (4, "--model.backbone.max_columns=3", "at most 3 feature columns, the table has 4"),
        (4, "--model.backbone.max_context_rows=50 --data.episode_rows=90", "at most 50 context"),
        (4, "--model.backbone.n_outputs=2", "at most 2 classes"),
    ],
)
def test_more_than_the_backbone_takes(
    capsys: pytest.CaptureFixture[str], frame: pd.DataFrame, columns: int, option: str, said: str
) -> None:
    frame["target"] = frame["colour"].to_numpy() + frame["target"].str[0].to_numpy() * 0
    frame["target"] = pd.Series(frame["colour"]).shift(1, fill_value="red")
    frame.to_csv("table.csv", index=False)
    message = refused(capsys, "table.csv", *option.split())
    assert said in message
    assert not Path("cache").exists()  # refused before any discovery


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--data.synthetic_ratio=1.5", "synthetic_ratio must lie in [0, 1], got 1.5"),
        ("--data.synthetic_ratio=lots", "synthetic_ratio"),
        ("--data.sythetic_ratio=0.5", "sythetic_ratio"),
        ("--data.split.test_fraction=1.5", "test_fraction"),
        ("--model.backbone=NoSuchModel", "NoSuchModel"),
        ("--config=missing.yaml", "missing.yaml"),
        ("--data.synthetic_size=.nan", "synthetic_size must be null or >= 0, got nan"),
        ("--data.synthetic_size=.inf", "synthetic_size must be null or >= 0 and finite, got inf"),
        ("--trainer={max_epochs: 1, max_epochs: 2}", "YAML key 'max_epochs' stands twice"),
    ],
)
def test_settings_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], csv: Path, option: str, said: str
) -> None:
    assert said in refused(capsys, csv, option)


def test_a_wrong_key_in_a_yaml_file(capsys: pytest.CaptureFixture[str], csv: Path) -> None:
    Path("wrong.yaml").write_text("data:\n  synthetic_ration: 0.5\n")
    assert "synthetic_ration" in refused(capsys, csv, "--config=wrong.yaml")


def test_a_section_that_stands_twice(capsys: pytest.CaptureFixture[str], csv: Path) -> None:
    Path("twice.yaml").write_text("data: {synthetic_ratio: 0}\ndata: {seed: 3}\n")
    said = refused(capsys, csv, "--config=twice.yaml")
    assert "twice.yaml" in said
    assert "YAML key 'data' stands twice in one mapping, again in line 2" in said


def test_a_metric_to_stop_by_that_zero_shot_is_not_judged_by(
    capsys: pytest.CaptureFixture[str], csv: Path
) -> None:
    callbacks = "[DomainMetrics, {class_path: ZeroShotEarlyStopping, init_args: {monitor: %s}}]"
    options = ("--data.synthetic_ratio=0", f"--trainer.callbacks={callbacks % 'val/real/roc'}")
    said = refused(capsys, csv, *options)
    assert "cannot monitor 'val/real/roc': choose the metric by model.selection" in said


def test_a_fold_of_a_fit_of_all_of_them(capsys: pytest.CaptureFixture[str], csv: Path) -> None:
    said = refused(capsys, csv, "--data.fold=1", "--folds=3")
    assert "data.folds is 3, and fit fits every fold: leave out data.fold, which is 1" in said
    assert not Path("runs").exists()


def test_yaml_that_is_not_yaml(capsys: pytest.CaptureFixture[str], csv: Path) -> None:
    Path("broken.yaml").write_text("data: [1, 2\n")
    assert "broken.yaml" in refused(capsys, csv, "--config=broken.yaml")


def test_a_checkpoint_that_is_cut(
    capsys: pytest.CaptureFixture[str], csv: Path, frame: pd.DataFrame
) -> None:
    Path("cut.ckpt").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert "cut.ckpt" in refused(capsys, csv, "--ckpt_path=cut.ckpt")


def test_usable_but_odd_columns_are_said_and_used(
    capsys: pytest.CaptureFixture[str], frame: pd.DataFrame
) -> None:
    """Constant, duplicate, collinear and all-missing columns do not stop a fit."""
    odd = frame.assign(
        same=frame["age"], sum=frame["age"] * 2 + 1, fixed="x", gone=np.nan, target=frame["target"]
    )
    odd.to_csv("odd.csv", index=False)
    line = ["fit", "--config", str(TINY), "--data.table.source=odd.csv"]
    with pytest.warns(UserWarning, match="gone"):
        status = main([*line, "--data.table.target=target", "--data.cache_dir=cache"])
    assert status == 0


def test_a_refused_run_leaves_what_was_written(
    capsys: pytest.CaptureFixture[str], csv: Path
) -> None:
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}"]
    assert main([*line, "--data.table.target=target", "--data.cache_dir=cache"]) == 0
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    refused(capsys, csv, "--data.synthetic_ratio=7")
    refused(capsys, csv, "--model.backbone.max_columns=1")
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_refusal_about_an_enormous_cell_is_short_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], frame: pd.DataFrame
) -> None:
    frame.loc[3, "target"] = "z" * 60_000
    frame.to_csv("long.csv", index=False)
    said = refused(capsys, "long.csv")
    assert len(said) < 2_200
    assert said.endswith("remove the row, or merge the class into another")


@pytest.mark.parametrize("source", ["{a: 1}", "[1, 2]"])
def test_a_source_that_is_no_text_is_refused(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    assert "a table's source is a path" in refused(capsys, source)


def test_a_source_builds_no_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, csv: Path
) -> None:
    touch = "{class_path: os.system, init_args: {command: touch made}}"
    refused(capsys, touch)
    refused(capsys, csv, f"--data.predict_source={touch}")
    assert not (tmp_path / "made").exists()
