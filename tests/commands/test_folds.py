"""`fit --folds K` through the command line, with real fits."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from joblib.externals.loky import get_reusable_executor
from safetensors.numpy import load_file

from lit_causalmix.commands.folds import check_resumed, taken_options
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training import runs

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    return csv


def fit(*more: str, folds: int = 3) -> int:
    return main(
        [
            *("fit", "--config", str(TINY), "--data.cache_dir", "cache", "--quiet"),
            *("--data.table.source", "mixed.csv", "--data.table.target", "target"),
            *("--data.synthetic_ratio", "0", "--folds", str(folds), *more),
        ]
    )


def report(number: int) -> dict[str, object]:
    text = Path(f"runs/fit/version_{number}/report.json").read_text(encoding="utf-8")
    content: dict[str, object] = json.loads(text)
    return content


def test_an_ensemble_is_fitted_reported_kept_and_the_same_side_by_side(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lit_causalmix.model import Predictor

    assert fit() == 0
    told = capsys.readouterr().out
    assert "mixed: real rows only, 3 folds, test rows" in told
    assert "Model: runs/fit/version_0/model" in told
    found = report(0)
    assert [entry["step"] for entry in found["history"]] == [0, 2, 4]  # type: ignore[attr-defined]
    n = 120  # of 160 rows a quarter is for testing
    assert found["context"] == {
        "val": "80 training rows",
        "test": "80 training and 40 validation rows",
    }
    model = Predictor.load("runs/fit/version_0/model")
    assert [len(member.context) for member in model.members] == [n] * 3
    rows = pd.read_csv("mixed.csv").head(7)
    each = [
        member.predict(values)
        for member, values in zip(model.members, model.coded(rows), strict=True)
    ]
    assert not np.array_equal(each[0], each[1])
    np.testing.assert_allclose(model.predict_proba(rows), np.mean(each, axis=0), atol=1e-6)

    assert fit("--jobs", "2") == 0
    beside = report(1)
    assert {k: v for k, v in beside.items() if k != "title"} == {
        k: v for k, v in found.items() if k != "title"
    }
    for fold in range(3):
        one, two = (
            load_file(f"runs/fit/version_{n}/fold_{fold}/held_out.safetensors") for n in (0, 1)
        )
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_forest_and_boosting_stand_beside_the_ensemble(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lit_causalmix.model import Predictor

    assert fit() == 0
    told = capsys.readouterr().out
    validated, tested = told.split("all folds together")[1].split("test rows", 1)
    assert "random forest" not in validated
    assert "random forest" in tested
    references = report(0)["references"]
    assert set(references) == {"random forest", "boosting"}  # type: ignore[call-overload]
    rows = Predictor.load("runs/fit/version_0/model").members[0].context.rows
    assert len(rows) == 120  # what the forest learned from, too
    assert references["boosting"]["real/roc_auc"]["value"] > 0.8  # type: ignore[index]


def test_a_fit_of_folds_goes_on_with_those_that_are_missing() -> None:
    assert fit() == 0
    before = report(0)
    folds = [Path(f"runs/fit/version_0/fold_{fold}/fold.json") for fold in range(3)]
    folds[1].unlink()
    marks = [path.stat().st_mtime_ns for path in (folds[0], folds[2])]
    assert fit("--resume", "runs/fit/version_0") == 0
    assert report(0) == before
    assert [path.stat().st_mtime_ns for path in (folds[0], folds[2])] == marks
    assert folds[1].exists()
    begun = Path("runs/fit/version_0/config.yaml").read_bytes()
    assert fit("--resume", "runs/fit/version_0", "--model.l2_sp", "0.5") == 2
    assert Path("runs/fit/version_0/config.yaml").read_bytes() == begun
    assert not Path("runs/fit/version_1").exists()


def test_folds_of_other_weights_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    from lit_causalmix.backbones import Tab2D

    for seed, name in enumerate(("first", "other")):
        Tab2D(dim=16, n_layers=1, seed=seed).save_pretrained(name)
    weights = "--model.backbone.init_args.weights"
    assert fit(weights, "first", folds=2) == 0
    Path("runs/fit/version_0/fold_1/fold.json").unlink()
    resume = ("--resume", "runs/fit/version_0")
    capsys.readouterr()
    assert fit(*resume, weights, "other", folds=2) == 2
    assert "holds a fold of other settings, weights or data" in capsys.readouterr().err
    assert not Path("runs/fit/version_0/fold_1/fold.json").exists()
    shutil.move("first", "moved")
    assert fit(*resume, weights, "moved", folds=2) == 0  # the same weights elsewhere


def test_two_processes_do_not_go_on_with_the_same_folds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.2)
    assert fit("--model.l2_sp", "0.5", folds=2) == 0
    place = Path("runs/fit/version_0")
    Path(place, "fold_1/fold.json").unlink()
    before = [Path(place, name).read_bytes() for name in ("config.yaml", "report.json")]
    with FileLock(place / ".run.lock"):  # as a process has it that is at one of them
        assert fit("--resume", str(place), "--model.l2_sp", "0.5", folds=2) == 2
    assert f"another fit works in {place.absolute()}" in capsys.readouterr().err
    assert not Path(place, "fold_1/fold.json").exists()
    assert [Path(place, name).read_bytes() for name in ("config.yaml", "report.json")] == before
    assert fit("--resume", str(place), "--model.l2_sp", "0.5", folds=2) == 0


def test_one_fold_is_a_plain_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(folds=1) == 0
    plain = report(0)["rows"]
    assert (
        main(
            [
                *("fit", "--config", str(TINY), "--data.cache_dir", "cache", "--quiet"),
                *("--data.table.source", "mixed.csv", "--data.table.target", "target"),
                *("--data.synthetic_ratio", "0"),
            ]
        )
        == 0
    )
    assert report(1)["rows"] == plain
    capsys.readouterr()
    assert fit("--jobs", "2", folds=1) == 2
    assert "--jobs and --resume belong to a fit with --folds above 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "folds", "message"),
    [
        ((), 500, "data.folds is 500, and there are 120 rows to train and validate on"),
        ((), 0, "folds must be >= 1, got 0"),
        (("--resume", "nowhere"), 3, "--resume names no folder of a fit: nowhere"),
        (("--jobs", "0"), 3, "--jobs must be at least 1, got 0"),
        (("--trainer.callbacks+=FGSM",), 3, "FGSM knows one model alone"),
        (
            ("--trainer.callbacks+=WeightInterpolation",),
            3,
            "knows one model alone",
        ),
        (("--trainer.fast_dev_run", "true"), 3, "neither --ckpt_path nor fast_dev_run"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    more: tuple[str, ...], folds: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(*more, folds=folds) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert message in errors[0]


def test_folds_do_not_go_on_in_the_folder_of_another_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit(folds=1) == 0
    place = Path("runs/fit/version_0")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert fit("--resume", str(place)) == 2
    assert f"{place} holds a run without them: a fit goes on by --ckpt_path" in (
        capsys.readouterr().err
    )
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert fit("--resume", "runs/fit") == 2  # one folder too high
    assert "--resume names no folder of a fit: runs/fit" in capsys.readouterr().err
    assert [path.name for path in Path("runs/fit").iterdir()] == ["version_0"]


def test_folds_and_a_comparison_do_not_go_on_in_each_others_folders(tmp_path: Path) -> None:
    (tmp_path / "compared" / "candidates").mkdir(parents=True)
    (tmp_path / "folds" / "fold_0").mkdir(parents=True)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / ".run.lock").touch()
    for auto, own, other in ((True, "compared", "folds"), (False, "folds", "compared")):
        check_resumed(tmp_path / own, auto=auto)
        check_resumed(tmp_path / "begun", auto=auto)  # killed before it wrote anything
        with pytest.raises(ConfigurationError, match="a folder of another kind of fit"):
            check_resumed(tmp_path / other, auto=auto)


def test_options_are_taken_out_of_a_fit_alone() -> None:
    options, rest = taken_options(["fit", "-c", "x", "--folds=4", "--resume", "runs/a"])
    assert (options.jobs, options.resume) == (1, Path("runs/a"))
    assert rest == ["fit", "-c", "x", "--data.folds=4"]
    assert taken_options(["test", "--folds", "4"])[1] == ["test", "--folds", "4"]
    with pytest.raises(ConfigurationError, match="fit takes --folds K --jobs N --resume FOLDER"):
        taken_options(["fit", "--jobs", "many"])


def test_a_study_takes_no_folds(capsys: pytest.CaptureFixture[str]) -> None:
    Path("study.yaml").write_text(
        "tables: [{source: mixed.csv, target: target}]\n"
        "methods: {default: baselines/default}\n"
        "base: {data: {folds: 3}}\n"
    )
    assert main(["study", "run", "--config", "study.yaml", "--plan"]) == 2
    assert "a study takes no data.folds above 1" in capsys.readouterr().err


LIMIT = ("--trainer.callbacks+=TimeLimit", "--trainer.callbacks.seconds=300")


def test_a_generator_that_the_folds_gave_up_is_not_made_to_test_them(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lit_causalmix.model import Predictor

    monkeypatch.setattr("lit_causalmix.callbacks.time_limit.GENERATOR_SHARE", 1e-9)
    assert fit("--data.synthetic_ratio", "0.5", *LIMIT, folds=2) == 0
    assert "mixed: real rows only, 2 folds, test rows" in capsys.readouterr().out
    assert caplog.text.count("cut this fit: there are real rows alone") == 1
    found = report(0)["time_limit"]
    assert found["seconds"] == 300  # type: ignore[index]
    assert len(found["cut"]) == 1  # type: ignore[index]
    page = Path("runs/fit/version_0/report.html").read_text(encoding="utf-8")
    assert "cut this fit: there are real rows alone" in page
    assert not list(Path("cache").rglob("manifest.json"))
    assert Predictor.load("runs/fit/version_0/model").record["method"] == "real rows only"


def test_members_predict_without_their_generator_where_it_was_fitted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mixed = ("--data.synthetic_ratio", "0.9", "--data.episode_rows", "300")
    assert fit(*mixed, "--data.val_synthetic_rows", "9", *LIMIT, folds=2) == 0
    assert "mixed: SCM, ratio 0.9, 2 folds, test rows" in capsys.readouterr().out
    assert report(0)["time_limit"] == {"seconds": 300, "cut": []}
    for path in Path("cache").rglob("manifest.json"):
        path.unlink()
    assert (
        fit(
            *mixed,
            "--data.val_synthetic_rows",
            "9",
            *LIMIT,
            "--resume",
            "runs/fit/version_0",
            folds=2,
        )
        == 0
    )
    assert not list(Path("cache").rglob("manifest.json"))


def test_folds_in_processes_of_their_own_say_what_they_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    get_reusable_executor().shutdown()  # processes of a test before are in another folder
    endless = ("--trainer.max_epochs=100000", LIMIT[0], "--trainer.callbacks.seconds=4")
    assert fit(*endless, "--jobs", "2", folds=2) == 0
    assert "The time limit of 4 s cut this fit: training ended after" in caplog.text
    page = Path("runs/fit/version_0/report.html").read_text(encoding="utf-8")
    assert "The time limit of 4 s cut this fit: training ended after" in page


def test_a_checkpoint_of_ones_own_is_left_out_with_a_word_and_other_callbacks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("named_alike.py").write_text(
        "from pathlib import Path\n"
        "import lightning.pytorch as pl\n"
        "class ModelCheckpoint(pl.Callback):\n"
        "    def on_train_end(self, trainer, pl_module):\n"
        "        Path('ran.txt').touch()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ["--trainer.callbacks+=named_alike.ModelCheckpoint"]
    lightnings = ["--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint"]
    lightnings += ["--trainer.callbacks.monitor=val/loss", "--trainer.callbacks.dirpath=kept"]
    with pytest.warns(UserWarning, match="a ModelCheckpoint with dirpath or monitor is left out"):
        assert fit(*own, *lightnings, folds=2) == 0
    assert Path("ran.txt").exists()
    assert not Path("kept").exists()


def test_a_fold_that_cannot_be_fitted_is_named_before_the_first_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 4)
    target = np.where(group == 6, rng.normal(size=80), 0.0)
    pd.DataFrame({"x": rng.normal(size=80), "g": group, "target": target}).to_csv(
        "mixed.csv", index=False
    )
    options = ("--data.table.group_column=g", "--data.table.task=regression")
    assert fit(*options, "--data.split.test_fraction=0.1", folds=3) == 2
    told = capsys.readouterr().err
    assert "error: fold 2 of 3: the target 'target' is constant in the training rows" in told
    assert "fold 1 of 3: " not in told
