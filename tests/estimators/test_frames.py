"""Frames of other libraries keep the names and types of their columns."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor
from lit_causalmix.estimators.frames import as_pandas


class Foreign:
    """A frame that is an array to who does not know it."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __array__(self, *_: object, **__: object) -> np.ndarray[Any, Any]:
        return self.frame.to_numpy(dtype=object)


class Converting(Foreign):
    """It converts itself, as one of polars or Arrow does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise AssertionError("it converts itself")

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


class Interchanging(Foreign):
    """It offers the interchange protocol, and would convert itself if pyarrow were there."""

    def __dataframe__(self, *args: Any, **more: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return self.frame.__dataframe__(*args, **more)

    def to_pandas(self) -> pd.DataFrame:
        raise ModuleNotFoundError("pyarrow is required")


class Inconvertible(Converting):
    """It would convert itself if pyarrow were there."""

    def to_pandas(self) -> pd.DataFrame:
        raise ModuleNotFoundError("pyarrow is required")


def features() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(40, 9, (80, 2)), columns=["age", "debt"])
    frame["job"] = pd.Categorical(["1", "2", "3", "4"] * 20)
    frame["since"] = pd.date_range("2020-01-01", periods=80)
    return frame


@pytest.mark.parametrize("kind", [Converting, Interchanging])
def test_a_frame_of_another_library_is_fitted_as_that_of_pandas(kind: type[Foreign]) -> None:
    X = features()
    y = np.where(X["age"] > 40, "old", "young")
    plain = CausalMixClassifier("default", max_steps=0, device="cpu").fit(X, y)
    other = CausalMixClassifier("default", max_steps=0, device="cpu").fit(kind(X), y)
    assert other.feature_names_in_.tolist() == ["age", "debt", "job", "since"]
    assert other.model_.features == plain.model_.features
    np.testing.assert_array_equal(other.predict_proba(kind(X)), plain.predict_proba(X))
    for wrong in (X[["debt", "age", "job", "since"]], X.rename(columns={"age": "years"})):
        with pytest.raises(ValueError, match="feature names should match"):
            other.predict(kind(wrong))


def test_a_frame_that_cannot_be_converted_is_refused() -> None:
    X = features()
    with pytest.raises(LitCausalMixError, match=r"X is a tests Inconvertible, .*\[parquet\]"):
        CausalMixRegressor("default", max_steps=0).fit(Inconvertible(X), X["age"])


def test_what_is_no_frame_of_another_library_stays_as_it_is() -> None:
    frame = features()
    for given in (frame, frame.to_numpy(), [[1, 2]], frame["age"]):
        assert as_pandas(given) is given
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_pandas(Interchanging(frame[["age"]])).equals(frame[["age"]])


def test_a_table_of_arrow() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    frame = as_pandas(pyarrow.table({"rooms": [1, 2], "city": ["a", "b"]}))
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["rooms", "city"]


def test_a_frame_of_polars() -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = as_pandas(polars.DataFrame({"rooms": [1, 2], "city": ["a", "b"]}))
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["rooms", "city"]
