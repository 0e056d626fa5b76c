"""What cannot be used is refused in one line, before long work."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor


def classifier(**more: Any) -> CausalMixClassifier:
    return CausalMixClassifier(**{"method": "default", "max_steps": 0, "device": "cpu"} | more)


@pytest.fixture(name="X")
def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="target")


@pytest.fixture
def y(frame: pd.DataFrame) -> "pd.Series[Any]":
    return frame["target"]


def test_other_columns_at_prediction(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    model = classifier().fit(X, y)
    for other in (X.drop(columns="age"), X.rename(columns={"age": "years"}), X.assign(more=1)):
        with pytest.raises(ValueError, match="feature names should match those that were passed"):
            model.predict(other)
    with pytest.raises(ValueError, match=r"X has 3 features, but Causal.*is expecting 4"):
        model.predict(X.to_numpy()[:, :3])


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_a_target_with_gaps(X: pd.DataFrame, y: "pd.Series[Any]", gap: Any) -> None:
    y = y.astype(object)
    y[3] = gap
    with pytest.raises(ValueError, match=r"NaN"):
        classifier().fit(X, y)
    with pytest.raises(ValueError, match="Input y contains NaN: 1 of 160 rows"):
        classifier().fit(X, (y == "good").astype("boolean").mask(y.index == 3))
    numbers = np.arange(len(X), dtype=float)
    numbers[7] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        CausalMixRegressor("default").fit(X, numbers)


def test_one_class(X: pd.DataFrame) -> None:
    with pytest.raises(LitCausalMixError, match="y holds one class, 'a'"):
        classifier().fit(X, ["a"] * len(X))


def test_a_constant_number(X: pd.DataFrame) -> None:
    with pytest.raises(LitCausalMixError, match="constant"):
        CausalMixRegressor("default", max_steps=0).fit(X, np.ones(len(X)))


@pytest.mark.parametrize("unit", ["datetime64[ns]", "datetime64[s]", "timedelta64[ns]"])
def test_moments_and_durations_are_no_numbers(X: pd.DataFrame, unit: str) -> None:
    y = np.arange(len(X)).astype(unit)
    with pytest.raises(LitCausalMixError, match="y of a regressor holds numbers, and these are of"):
        CausalMixRegressor("default", max_steps=0).fit(X, y)


def test_a_class_of_one_row(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    y = y.copy()
    y[0] = "rare"
    with pytest.raises(LitCausalMixError, match=r"class 'rare' .* has 1 row in all"):
        classifier().fit(X, y)


@pytest.mark.parametrize("labels", [("a", " a"), ("NA", "b")])
def test_classes_that_a_table_does_not_tell_apart(X: pd.DataFrame, labels: Any) -> None:
    with pytest.raises(LitCausalMixError, match="are not told apart in a table"):
        classifier().fit(X, np.resize(labels, len(X)))


def test_groups_and_targets_of_the_wrong_length(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(X, y, groups=np.arange(5))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(X, y[:9])


def test_too_few_rows_to_validate_on(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    with pytest.raises(LitCausalMixError):
        classifier().fit(X[:4], ["a", "b", "a", "b"])


def test_an_unknown_recipe_is_answered_with_what_was_meant(
    X: pd.DataFrame, y: "pd.Series[Any]"
) -> None:
    with pytest.raises(ConfigurationError, match=r"no recipe 'causalmixf' \(did you mean causalm"):
        classifier(method="causalmixf").fit(X, y)
    with pytest.raises(ConfigurationError, match="Nanoo"):
        classifier(backbone="Nanoo").fit(X, y)
    with pytest.raises(ConfigurationError, match="epissodes"):
        classifier(settings={"data": {"epissodes_per_epoch": 3}}).fit(X, y)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"random_state": -1}, "random_state is >= 0"),
        ({"time_limit": 0}, "a time limit lies above 0 seconds"),
        ({"calibration": "platt"}, "calibration is"),
        ({"synthetic_ratio": 2.0}, "ratio"),
        ({"device": "quantum"}, "quantum"),
        ({"device": "cpu:1"}, "a device is auto, cpu, cuda, cuda:1 or mps, got 'cpu:1'"),
        ({"device": "cuda:one"}, "a device is auto, .*, got 'cuda:one'"),
        ({"device": "cuda:"}, "a device is auto, .*, got 'cuda:'"),
        ({"max_steps": -1}, "max_steps is >= 0, 0 being zero-shot, got -1"),
        (
            {"max_steps": 3, "settings": {"data": {"episodes_per_epoch": 0}}},
            "episodes_per_epoch must be >= 1, got 0",
        ),
        ({"max_steps": 3, "settings": {"data": {"episodes_per_epoch": "few"}}}, "few"),
    ],
)
def test_arguments_outside_their_range(
    X: pd.DataFrame, y: "pd.Series[Any]", arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(LitCausalMixError, match=said):
        classifier(**arguments).fit(X, y)


def test_an_unknown_output_and_a_coverage_of_one(X: pd.DataFrame) -> None:
    model = CausalMixRegressor("default", max_steps=0, device="cpu").fit(X, np.arange(len(X)))
    with pytest.raises(ConfigurationError, match="output is mean or quantiles, got 'median'"):
        model.predict(X, output="median")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="coverage lies in"):
        model.predict_interval(X, coverage=1.0)
    with pytest.raises(ConfigurationError, match="quantiles lie in"):
        model.predict(X, output="quantiles", quantiles=[])


def test_two_names_that_differ_in_spaces_alone(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    with pytest.raises(
        LitCausalMixError, match=r"must differ, but 'age' .* \(spaces around a name"
    ):
        classifier().fit(X.assign(**{" age": 1.0}), y)
    with pytest.raises(LitCausalMixError, match="column 5 of 5 has no name"):
        classifier().fit(X.assign(**{" ": 1.0}), y)


@pytest.mark.parametrize("key", ["missing_values", "missing_values+"])
def test_a_target_that_is_said_to_be_missing(X: pd.DataFrame, key: str) -> None:
    asked: dict[str, Any] = {"settings": {"data": {"table": {key: ["-1.0", "?"]}}}}
    said = r"y holds -1(.0)? in 40 row\(s\), which means missing by data.table.missing_values"
    y = np.resize([-1, 0, 1, 0], len(X))
    with pytest.raises(LitCausalMixError, match=said):
        classifier(**asked).fit(X, y)
    with pytest.raises(LitCausalMixError, match=said):
        CausalMixRegressor("default", max_steps=0, **asked).fit(X, y)
    assert classifier(**asked).fit(X, y + 5).classes_.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_steps": "5"}, "max_steps is a whole number of steps, or None, got '5'"),
        ({"time_limit": "10"}, "time_limit is a number of seconds, or None, got '10'"),
        ({"folds": "2"}, "folds is a whole number, got '2'"),
        ({"folds": None}, "folds is a whole number, got None"),
        ({"device": None}, "device is auto, cpu, cuda, cuda:1 or mps, as text, got None"),
        ({"method": 5}, "method is the name of a recipe, .*, got 5"),
        ({"method": []}, r"method is the name of a recipe, .*, got \[\]"),
        ({"backbone": object()}, "backbone is the name of a recipe or class, .*, got <object"),
        ({"class_weight": {"yes": "b"}}, r"class_weight is .* to numbers, .*, got \{'yes': 'b'\}"),
        ({"class_weight": {(1, 2): 3}}, r"class_weight is .*, got \{\(1, 2\): 3\}"),
        ({"class_weight": "balance"}, "class_weight is 'balanced', .*, got 'balance'"),
        ({"verbose": None}, "verbose is a whole number, got None"),
        ({"run_folder": 5}, "run_folder is a path, or None, got 5"),
    ],
)
def test_arguments_of_another_type(
    X: pd.DataFrame, y: "pd.Series[Any]", arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        classifier(**arguments).fit(X, y)


def test_numbers_of_numpy_are_arguments(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    model = classifier(
        max_steps=np.int64(0),
        folds=np.int64(1),
        time_limit=np.float64(90),
        synthetic_ratio=np.float32(0.25),
        verbose=np.int64(0),
    )
    assert model.fit(X, y).predict(X).shape == (len(X),)


@pytest.mark.parametrize("labels", [(1, "a"), ("a", 1), ("a", pd.Timestamp("2020-01-01"))])
def test_labels_of_several_kinds(X: pd.DataFrame, labels: Any) -> None:
    y = np.array([labels[row % 2] for row in range(len(X))], dtype=object)
    with pytest.raises(LitCausalMixError, match=r"of one kind, .* and y holds ") as said:
        classifier().fit(X, y)
    assert all(f"{label!r} ({type(label).__name__})" in str(said.value) for label in labels)


@pytest.mark.parametrize("dtype", ["datetime64[s]", "datetime64[us]", "datetime64[ns]", "object"])
def test_labels_that_are_dates(X: pd.DataFrame, dtype: str) -> None:
    dates = pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01"] * (len(X) // 2)))
    match = r"labels are text, numbers or truth values, and y holds '2020-01-01.*y\.astype\(str\)"
    with pytest.raises(LitCausalMixError, match=match):
        classifier().fit(X, dates.astype(dtype))
    with pytest.raises(LitCausalMixError, match=r"truth values, and y holds '0"):
        classifier().fit(X, (dates - dates[0]).astype(dtype.replace("datetime", "timedelta")))


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT])
def test_gaps_among_numbers_to_predict_are_named(X: pd.DataFrame, gap: Any) -> None:
    y = pd.Series(np.arange(len(X)), dtype=object)
    y[[4, 9]] = gap
    said = r"Input y contains NaN: 2 of 160 rows hold no finite number, first row 4 "
    with pytest.raises(LitCausalMixError, match=said):
        CausalMixRegressor("default").fit(X, y)


def test_what_is_no_number_to_predict_is_named(X: pd.DataFrame) -> None:
    y = pd.Series(np.arange(len(X)), dtype=object)
    y[4] = "many"
    with pytest.raises(LitCausalMixError, match=r"but row 4 \(counted from 0\) holds 'many'"):
        CausalMixRegressor("default").fit(X, y)
    with pytest.raises(LitCausalMixError, match=r"Input y contains infinity .*, which holds inf"):
        CausalMixRegressor("default").fit(X, np.where(X.index == 4, np.inf, 1.0))


def test_groups_that_are_said_twice(X: pd.DataFrame, y: "pd.Series[Any]") -> None:
    X = X.assign(house=np.arange(len(X)) // 2)
    model = classifier(settings={"data": {"table": {"group_column": "house"}}})
    with pytest.raises(ConfigurationError, match=r"^groups says .*group_column 'house' of settin"):
        model.fit(X, y, groups=np.arange(len(X)))
    assert "house" not in model.fit(X, y).model_.feature_names


def test_a_date_beyond_those_of_python_is_named_by_its_column(
    X: pd.DataFrame, y: "pd.Series[Any]"
) -> None:
    near = np.datetime64("2000-01-01", "s") + np.arange(len(X)).astype("timedelta64[D]")
    far = np.where(np.arange(len(X)) == 3, np.datetime64("12000-01-01", "s"), near)
    with pytest.raises(LitCausalMixError, match="column 'when' holds values"):
        classifier().fit(X.assign(when=far), y)
    model = classifier().fit(X.assign(when=near), y)
    with pytest.raises(LitCausalMixError, match="column 'when' holds values"):
        model.predict(X.assign(when=far))
