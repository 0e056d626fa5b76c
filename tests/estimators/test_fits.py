"""Fits from Python: those of the command line, and what they leave."""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_predict

import lit_causalmix
from lit_causalmix.commands.main import main
from lit_causalmix.errors import LimitError, LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor
from lit_causalmix.estimators.configuration import fit_settings

CONF = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def parts(frame: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    return frame.drop(columns="target"), frame["target"]


@pytest.mark.parametrize("regression", [False, True])
def test_the_bits_are_those_of_the_command_line(
    make_frame: Any, tiny: dict[str, Any], tmp_path: Path, monkeypatch: Any, regression: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    make_frame(regression=regression).to_csv("t.csv", index=False)
    task = "regression" if regression else "binary"
    of_backbone = {"task": "regression"} if regression else {}
    arguments = [
        *("fit", "--config", str(CONF), "--data.table.source", "t.csv"),
        *("--data.table.target", "target", "--data.table.task", task, "--data.seed", "5"),
        *("--data.split.seed", "5", "--data.split.test_fraction", "0"),
        *(["--model.backbone.init_args.task", "regression"] if regression else []),
    ]
    assert main(arguments) == 0
    # Exact, as tables are read here; pandas 2 loses last digits unless it is told not to.
    frame = pd.read_csv("t.csv", float_precision="round_trip")
    X, y = parts(frame)
    backbone = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1, **of_backbone}}
    settings = {**tiny, "model": {**tiny["model"], "backbone": backbone}}
    kind = CausalMixRegressor if regression else CausalMixClassifier
    model = kind("causalmixft", random_state=5, device="cpu", settings=settings).fit(X, y)
    kept = lit_causalmix.load_model("runs/fit/version_0/model")
    for ours, theirs in zip(model.model_.members, kept.members, strict=True):
        states = ours.backbone.state_dict(), theirs.backbone.state_dict()
        assert all(np.array_equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))
        assert np.array_equal(ours.context.values, theirs.context.values, equal_nan=True)
    assert model.model_.record["scoreboard"]["history"] == kept.record["scoreboard"]["history"]
    if regression:
        assert np.array_equal(model.predict(X), kept.predict(X))
    else:
        assert np.array_equal(model.predict_proba(X), kept.predict_proba(X))


@pytest.mark.parametrize(
    ("kind", "ratio", "share"),
    [
        (CausalMixClassifier, None, 0.5),
        (CausalMixRegressor, None, 0.0),
        (CausalMixRegressor, 0.25, 0.25),
    ],
)
def test_without_a_method_each_task_takes_what_measured_best(
    make_frame: Any, tiny: dict[str, Any], kind: Any, ratio: float | None, share: float
) -> None:
    regression = kind is CausalMixRegressor
    task = {"task": "regression"} if regression else {}
    backbone = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1, **task}}
    asked: dict[str, Any] = {"settings": {**tiny, "model": {"backbone": backbone}}, "max_steps": 2}
    asked |= {"synthetic_ratio": ratio, "device": "cpu"}
    X, y = parts(make_frame(regression=regression))
    record = kind(**asked).fit(X, y).model_.record
    assert record["settings"]["data"]["synthetic_ratio"] == share
    named = kind("causalmixft" if share else "default", **asked).fit(X, y).model_.record
    assert record["settings"] == named["settings"]
    assert record["scoreboard"]["history"] == named["scoreboard"]["history"]


def test_nothing_is_left_behind_unless_asked_for(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    settings: dict[str, Any] = {"device": "cpu", "settings": tiny}
    CausalMixClassifier("default", **settings).fit(*parts(frame))
    assert not list(work.iterdir())
    assert not list(temporary.iterdir())
    model = CausalMixClassifier("default", run_folder="kept", **settings).fit(*parts(frame))
    run = work / "kept" / "version_0"
    assert {"best.ckpt", "curves.png", "model", "run.json"} <= {p.name for p in run.iterdir()}
    again = lit_causalmix.load_model(run / "model")
    X = parts(frame)[0]
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "labels",
    [[3, 11], [True, False], ["no", "yes"], [0.5, 1.5], [7, 2**63 + 5], [2**63, 2**64 - 1]],
)
def test_labels_come_back_as_they_were(
    frame: pd.DataFrame, tmp_path: Path, labels: list[Any]
) -> None:
    if labels == [0.5, 1.5]:
        labels = [1.0, 2.0]  # numbers with a fraction are no classes to scikit-learn
    X = parts(frame)[0]
    unsigned = max(labels) == 2**63 + 5  # to NumPy a number with a fraction, beside a small one
    y = np.array(labels, dtype=np.uint64 if unsigned else None)[(frame["age"] > 50).astype(int)]
    model = CausalMixClassifier("default", max_steps=0, device="cpu").fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert set(model.predict(X)) <= set(labels)
    assert model.score(X, y) > 0.8
    model.save(tmp_path / "m")
    kept = lit_causalmix.load_model(tmp_path / "m")
    assert kept.predict(X).tolist() == model.predict(X).tolist()
    order = [kept.labels.index(label) for label in model.classes_.tolist()]
    assert np.array_equal(kept.predict_proba(X)[:, order], model.predict_proba(X))


@pytest.mark.parametrize("kind", ["boolean", "Int64", "Int8", "category"])
def test_labels_of_pandas_own_kinds_stay_what_they_are(frame: pd.DataFrame, kind: str) -> None:
    X = parts(frame)[0]
    plain = (frame["age"] > 50) if kind == "boolean" else (frame["age"] > 50).astype(int) + 3
    y = plain.astype(kind)
    labels = sorted(plain.unique().tolist())
    asked = CausalMixClassifier("default", max_steps=0, device="cpu", class_weight={labels[1]: 5})
    model = asked.fit(X, y)
    assert [(type(label), label) for label in model.classes_.tolist()] == [
        (type(label), label) for label in labels
    ]
    expected = asked.fit(X, plain.to_numpy()).predict_proba(X)
    assert np.array_equal(asked.fit(X, y.to_frame()).predict_proba(X), expected)
    assert np.array_equal(asked.fit(X, y.array).predict_proba(X), expected)


def test_groups_are_not_parted(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    groups = np.repeat(np.arange(40), 4)
    model = CausalMixClassifier(
        "default", device="cpu", settings=tiny | {"data": {"context": "train"}}
    )
    model.fit(*parts(frame), groups=groups)
    context = groups[model.model_.members[0].context.rows]
    assert len(context) < len(frame)
    assert all(np.count_nonzero(context == g) == 4 for g in np.unique(context))


def test_categories_of_a_frame_are_categories(frame: pd.DataFrame) -> None:
    X, y = parts(frame)
    X = X.assign(zip=pd.Categorical(np.resize([10115, 20095, 80331], len(X))))
    model = CausalMixClassifier("default", max_steps=0, device="cpu").fit(X, y)
    kinds = {column.name: str(column.kind) for column in model.model_.schema.features}
    assert kinds["zip"] == "categorical"


def test_the_first_processor_is_a_device(frame: pd.DataFrame) -> None:
    X, y = parts(frame)
    assert CausalMixClassifier("default", max_steps=0, device="cpu:0").fit(X, y).score(X, y) > 0.8


def test_spaces_around_names_do_not_count(frame: pd.DataFrame, tmp_path: Path) -> None:
    spaced = frame.assign(colour=frame["colour"].astype("category")).add_prefix(" ")
    X, y = spaced[[" age", " colour"]], spaced[" target"]
    model = CausalMixClassifier("default", max_steps=0, device="cpu").fit(X, y)
    assert model.feature_names_in_.tolist() == [" age", " colour"]
    assert model.model_.feature_names == ("age", "colour")
    assert model.model_.schema.target.name == "target"
    model.save(tmp_path / "m")
    kept = lit_causalmix.load_model(tmp_path / "m")
    for rows in (X, frame[["colour", "age"]]):
        assert np.array_equal(kept.predict_proba(rows), model.predict_proba(X))


@pytest.mark.parametrize(
    ("named", "target"), [("name", "name"), (" sold ", "sold"), (" ", "target"), (7, "7")]
)
def test_the_target_is_called_as_y_is(frame: pd.DataFrame, named: Any, target: str) -> None:
    y = frame["target"].rename(named)
    asked = CausalMixClassifier("default", max_steps=0, device="cpu")
    for given in (y, y.to_frame()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scikit-learn, on the column
            fitted = asked.fit(frame[["age", "member"]], given)
        assert fitted.model_.schema.target.name == target


def test_settings_overrule_the_types_of_a_frame(frame: pd.DataFrame) -> None:
    X = frame[["age"]].assign(
        k=pd.Categorical(np.resize([1, 2, 3], len(frame))),
        size=pd.Categorical(np.resize(["S", "M", "L"], len(frame))),
    )
    said = {"kinds": {"k": "numerical"}, "order": {"size": ["S", "M", "L"]}}
    asked = CausalMixClassifier("default", max_steps=0, settings={"data": {"table": said}})
    columns = asked.fit(X, frame["target"]).model_.schema.features
    assert [str(column.kind) for column in columns] == ["numerical", "numerical", "ordinal"]
    assert columns[2].categories == ("S", "M", "L")


def test_settings_overrule_the_steps_of_a_fit(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    settings = {**tiny, "trainer": {"max_steps": 4}}
    model = CausalMixClassifier("default", max_steps=1, device="cpu", settings=settings)
    history = model.fit(*parts(frame)).model_.record["scoreboard"]["history"]
    assert history[-1]["step"] == 4


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"logger": {"class_path": "TensorBoardLogger"}}, r"settings name trainer\.logger"),
        ({"logger": True}, r"settings name trainer\.logger"),
        ({"default_root_dir": "here"}, r"settings name trainer\.default_root_dir"),
        (
            {"callbacks+": [{"class_path": "ModelCheckpoint", "init_args": {"dirpath": "here"}}]},
            "settings name the callback ModelCheckpoint, which writes files",
        ),
        ({"callbacks": ["lit_causalmix.callbacks.PredictionWriter"]}, "callback PredictionWriter"),
    ],
)
def test_settings_of_files_that_would_not_be_left_are_refused(
    frame: pd.DataFrame, trainer: dict[str, Any], said: str
) -> None:
    model = CausalMixClassifier("default", max_steps=0, settings={"trainer": trainer})
    with pytest.raises(LitCausalMixError, match=said):
        model.fit(*parts(frame))


def test_a_run_that_is_kept_has_the_checkpoints_of_settings(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path
) -> None:
    arguments = {"dirpath": str(tmp_path / "mine"), "every_n_train_steps": 1}
    more = [{"class_path": "ModelCheckpoint", "init_args": arguments}]
    settings = {**tiny, "trainer": {"max_epochs": 1, "logger": False, "callbacks+": more}}
    asked: dict[str, Any] = {"device": "cpu", "settings": settings}
    CausalMixClassifier("default", run_folder=tmp_path / "kept", **asked).fit(*parts(frame))
    assert list((tmp_path / "mine").glob("*.ckpt"))


def test_a_fit_of_few_steps_is_scored_when_it_ends(
    frame: pd.DataFrame, tiny: dict[str, Any]
) -> None:
    settings = {**tiny, "data": {k: v for k, v in tiny["data"].items() if "episodes" not in k}}
    model = CausalMixClassifier("default", max_steps=3, device="cpu", settings=settings)
    history = model.fit(*parts(frame)).model_.record["scoreboard"]["history"]
    assert [entry["step"] for entry in history] == [0, 3]


def test_a_callback_of_ones_own_stays_whatever_its_name() -> None:
    own = [{"class_path": "own_callbacks.RunReport"}]
    paths = [
        callback["class_path"]
        for callback in settings_of(settings={"trainer": {"callbacks+": own}})["trainer"][
            "callbacks"
        ]
    ]
    assert "own_callbacks.RunReport" in paths
    assert not any(path.endswith("callbacks.RunReport") and "own" not in path for path in paths)


@pytest.mark.parametrize("folds", [1, 2])
def test_a_column_without_cells_is_no_further_column(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, folds: int
) -> None:
    X = frame[["age", "member"]].assign(empty=np.nan)
    asked: dict[str, Any] = {"folds": folds, "max_steps": 0, "device": "cpu", "settings": tiny}
    with pytest.warns(UserWarning, match="left out, no cell in the training rows: 'empty'"):
        model = CausalMixClassifier("default", **asked).fit(X, frame["target"])
    model.save(tmp_path / "m")
    kept = lit_causalmix.load_model(tmp_path / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = model.predict_proba(X)
        assert np.array_equal(kept.predict_proba(X), expected)
        assert np.array_equal(kept.predict_proba(X.drop(columns="empty")), expected)
    with pytest.warns(UserWarning, match="did not use: 'more'$"):
        kept.predict(X.assign(more=1))


def test_a_column_that_one_fold_does_not_see(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path
) -> None:
    X = frame.drop(columns="target").assign(rare=np.nan)
    counts = []
    for row in range(9):  # some of them validate in the first fold
        rows = X.assign(rare=X["rare"].where(X.index != row, 1.0))
        asked: dict[str, Any] = {"folds": 2, "max_steps": 0, "device": "cpu", "settings": tiny}
        model = CausalMixClassifier("default", **asked).fit(rows, frame["target"])
        model.save(tmp_path / "m")
        expected = model.predict_proba(rows)
        kept = lit_causalmix.load_model(tmp_path / "m")
        assert kept.feature_names == tuple(rows)
        assert np.array_equal(kept.predict_proba(rows), expected)
        counts.append(len(model.model_.members[0].schema.features))
        if set(counts) == {4, 5}:
            return
    raise AssertionError(counts)


def test_an_array_and_a_frame_give_the_same(frame: pd.DataFrame) -> None:
    X = frame[["age", "income"]]
    asked = CausalMixClassifier("default", max_steps=0, device="cpu")
    by_frame = asked.fit(X, frame["target"]).predict_proba(X)
    by_array = asked.fit(X.to_numpy(), frame["target"]).predict_proba(X.to_numpy())
    np.testing.assert_allclose(by_array, by_frame, atol=1e-6)


def test_quantiles_and_intervals_are_in_order(make_frame: Any) -> None:
    X, y = parts(make_frame(regression=True))
    model = CausalMixRegressor("default", max_steps=0, device="cpu").fit(X, y)
    found = model.predict(X, output="quantiles", quantiles=[0.1, 0.5, 0.9])
    assert (np.diff(found, axis=1) >= 0).all()
    interval = model.predict_interval(X, coverage=0.8)
    assert np.array_equal(interval, found[:, [0, 2]])
    wide = model.predict_interval(X, coverage=0.95)
    assert (wide[:, 0] <= interval[:, 0]).all()
    assert (wide[:, 1] >= interval[:, 1]).all()
    point = {"class_path": "Tab2D", "init_args": {"dim": 16, "task": "regression"}}
    model = CausalMixRegressor("default", backbone=point, max_steps=0, device="cpu").fit(X, y)
    with pytest.raises(LimitError, match="predicts no distribution"):
        model.predict_interval(X)


def test_a_temperature_leaves_labels_and_lowers_the_loss_it_was_chosen_by(
    frame: pd.DataFrame,
) -> None:
    X, y = parts(frame)
    asked: dict[str, Any] = {"method": "default", "max_steps": 0, "device": "cpu"}
    plain = CausalMixClassifier(**asked).fit(X, y)
    warm = CausalMixClassifier(**asked, calibration="temperature").fit(X, y)
    assert plain.model_.temperature == 1
    assert warm.model_.temperature != 1
    assert np.array_equal(warm.predict(X), plain.predict(X))
    assert not np.array_equal(warm.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("folds", [1, 3])
def test_a_threshold_is_chosen_on_held_out_rows_and_changes_labels_alone(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, folds: int
) -> None:
    X = parts(frame)[0]
    y = np.where(frame["income"].fillna(0) > 6500, 10, 9)
    asked: dict[str, Any] = {"folds": folds, "device": "cpu", "settings": tiny}
    plain = CausalMixClassifier("default", **asked).fit(X, y)
    model = CausalMixClassifier(
        "default", threshold="balanced_accuracy", run_folder=tmp_path / "run", **asked
    ).fit(X, y)
    assert np.array_equal(model.predict_proba(X), plain.predict_proba(X))
    threshold = model.model_.threshold
    assert threshold is not None
    assert model.predict(X).tolist() == [
        10 if p > threshold else 9 for p in model.predict_proba(X)[:, 1]
    ]
    assert model.predict(X).tolist() != plain.predict(X).tolist()
    kept = lit_causalmix.load_model(tmp_path / "run" / "version_0" / "model")
    assert kept.predict(X).tolist() == model.predict(X).tolist()


def test_a_threshold_needs_two_classes_and_a_name(frame: pd.DataFrame) -> None:
    X, y = parts(frame)
    with pytest.raises(LitCausalMixError, match="between two classes, y holds 3"):
        CausalMixClassifier(threshold="balanced_accuracy").fit(X, y.mask(y.index < 9, "rare"))
    with pytest.raises(LitCausalMixError, match=r"threshold is .*, got 'f1'"):
        CausalMixClassifier(threshold="f1").fit(X, y)


def test_class_weights_are_by_label_and_change_the_fit(
    frame: pd.DataFrame, tiny: dict[str, Any]
) -> None:
    X, y = parts(frame)
    y = y == "good"
    last = {**tiny, "model": {**tiny["model"], "selection": "FixedBudget"}}
    plain, balanced, heavy, light = (
        CausalMixClassifier("default", class_weight=weight, device="cpu", settings=last)
        .fit(X, y)
        .predict_proba(X)[:, 1]
        for weight in (None, "balanced", {True: 50.0}, {True: 0.02})
    )
    assert not np.array_equal(balanced, plain)
    assert heavy.mean() > light.mean()
    with pytest.raises(LitCausalMixError, match="class_weight names no class of 'target': 'yes'"):
        CausalMixClassifier("default", class_weight={"yes": 2}, settings=last).fit(X, y)


def settings_of(**arguments: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        **dict.fromkeys(("backbone", "synthetic_ratio", "max_steps", "time_limit", "settings")),
        "method": "default",
        "device": "cpu",
        "seed": 0,
        "verbose": 0,
        "keeps_run": False,
        "folds": 1,
        "folder": Path("x"),
        "table": {"source": "frame"},
    }
    return fit_settings(**{**defaults, **arguments})


def test_settings_hold_over_arguments_and_arguments_over_recipes() -> None:
    assert settings_of()["data"]["synthetic_ratio"] == 0
    assert settings_of(synthetic_ratio=0.3)["data"]["synthetic_ratio"] == 0.3
    over = settings_of(synthetic_ratio=0.3, settings={"data": {"synthetic_ratio": 0.7}})
    assert over["data"]["synthetic_ratio"] == 0.7
    several = settings_of(method=["default", "finetune/l2-sp"])
    assert several["model"]["l2_sp"] > 0
    assert settings_of(backbone="tabpfn-v1")["model"]["backbone"]["class_path"].endswith("TabPFNV1")
    assert settings_of(backbone="Mine")["model"]["backbone"] == {"class_path": "Mine"}
    assert (
        settings_of(max_steps=25)["trainer"] | {"max_epochs": 3, "max_steps": 25}
        == (settings_of(max_steps=25)["trainer"])
    )
    assert settings_of(device="cuda:1")["trainer"]["devices"] == [1]
    assert settings_of(device="cpu:0") == settings_of(device="cpu")


def test_steps_and_epochs_of_settings_hold_over_max_steps() -> None:
    steps = settings_of(max_steps=1, settings={"trainer": {"max_steps": 30}})["trainer"]
    assert (steps["max_steps"], steps["max_epochs"]) == (30, 3)
    epochs = settings_of(max_steps=30, settings={"trainer": {"max_epochs": 2}})["trainer"]
    assert (epochs["max_steps"], epochs["max_epochs"]) == (30, 2)


def test_kinds_of_settings_and_recipes_hold_over_the_types_of_a_frame(tmp_path: Path) -> None:
    table = {"source": "frame", "kinds": {"a": "categorical", "b": "categorical", "c": "date"}}
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("data: {table: {kinds: {c: 'date:%Y'}}}")
    said = {"data": {"table": {"kinds": {"a": "numerical"}, "order": {"b": ["x", "y"]}}}}
    found = settings_of(table=table, method=["default", str(recipe)], settings=said)
    assert found["data"]["table"]["kinds"] == {"a": "numerical", "c": "date:%Y"}
    assert settings_of(table=table)["data"]["table"]["kinds"] == table["kinds"]


def test_class_weights_are_selected_by_what_they_aim_at() -> None:
    assert settings_of()["model"].get("selection") is None
    weighted = settings_of(class_weight="balanced")["model"]
    assert weighted["class_weight"] == "balanced"
    assert weighted["selection"].endswith("BalancedValidation")
    cautious = settings_of(class_weight="balanced", method=["default", "stopping/cautious"])
    assert cautious["model"]["selection"]["class_path"].endswith("CautiousValidation")
    own = settings_of(class_weight="balanced", settings={"model": {"selection": "FixedBudget"}})
    assert own["model"]["selection"] == "FixedBudget"


def test_folds_are_one_model_with_every_row_in_the_context(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path
) -> None:
    X, y = parts(frame)
    asked: dict[str, Any] = {"folds": 3, "device": "cpu", "settings": tiny}
    model = CausalMixClassifier("default", **asked, calibration="temperature").fit(X, y)
    rows = [sorted(member.context.rows) for member in model.model_.members]
    assert rows == [list(range(len(X)))] * 3
    assert "over the pooled folds" in model.model_.record["selected"]
    assert model.model_.temperature != 1  # chosen on all rows, each predicted by another fold
    model.save(tmp_path / "m")
    kept = lit_causalmix.load_model(tmp_path / "m")
    assert np.array_equal(kept.predict_proba(X), model.predict_proba(X))
    again = CausalMixClassifier("default", **asked, run_folder=tmp_path / "run").fit(X, y)
    (run,) = (tmp_path / "run").iterdir()
    assert run.name == "version_0"
    assert {"fold_0", "fold_2", "model"} <= {path.name for path in run.iterdir()}
    assert np.array_equal(
        again.model_.members[2].predict(again.model_.coded(X)[2]),
        model.model_.members[2].predict(model.model_.coded(X)[2]),
    )


@pytest.mark.parametrize("method", ["default", "auto"])
def test_every_fit_of_folds_has_a_folder_of_its_own(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, method: str
) -> None:
    X, y = parts(frame)
    settings = tiny | ({"auto": {"candidates": ["baselines/default"]}} if method == "auto" else {})
    model = CausalMixClassifier(
        method, folds=2, device="cpu", run_folder=tmp_path / "run", settings=settings
    )
    found = cross_val_predict(model, X, y, cv=2)
    assert found.shape == (len(X),)
    folders = sorted((tmp_path / "run").iterdir())
    assert [path.name for path in folders] == ["version_0", "version_1"]
    assert all((path / "model" / "model.json").is_file() for path in folders)
    with pytest.raises(LitCausalMixError):
        model.fit(X, ["rare", *y[1:]])
    assert sorted((tmp_path / "run").iterdir()) == folders


def test_more_folds_than_rows_of_a_class_are_refused(
    frame: pd.DataFrame, tiny: dict[str, Any]
) -> None:
    X, y = parts(frame)
    y = y.mask(y.index < 3, "rare")
    with pytest.raises(LitCausalMixError, match="rare"):
        CausalMixClassifier("default", folds=5, device="cpu", settings=tiny).fit(X, y)


def test_verbose_shows_few_lines_and_nothing_of_lightnings(
    frame: pd.DataFrame, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    CausalMixClassifier(max_steps=2, verbose=1, device="cpu", settings=tiny).fit(*parts(frame))
    output, said = capsys.readouterr()
    assert output == ""
    lines = said.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "causal discovery",
        "fitting SCMs",
        "fine-tuning",
    ]
    CausalMixClassifier(max_steps=1, device="cpu", settings=tiny).fit(*parts(frame))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("code", [1e8, 1e12])
def test_a_code_among_the_numbers_of_a_column_hides_no_other(code: float) -> None:
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(120, 2)), columns=["a", "b"])
    new = pd.DataFrame(generator.normal(size=(200, 2)), columns=["a", "b"])
    y = 3 * X["a"] + generator.normal(size=120) / 10
    X.loc[7, "a"] = code
    found = CausalMixRegressor(max_steps=0, device="cpu").fit(X, y).predict(new)
    assert np.corrcoef(found, new["a"])[0, 1] > 0.98
