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
