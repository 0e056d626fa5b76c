"""What scikit-learn asks of its estimators."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from lit_causalmix.estimators import CausalMixClassifier, CausalMixRegressor
from lit_causalmix.training.checkpoints import read_checkpoint

ZERO_SHOT: dict[str, Any] = {"method": "default", "max_steps": 0, "device": "cpu"}
KINDS = [CausalMixClassifier, CausalMixRegressor]

EXCEPTIONS = {
    "check_methods_subset_invariance": "networks compute in float32: rows that are predicted "
    "together or alone agree within 1e-6, and the check asks for 1e-7",
    "check_class_weight_classifiers": "weights count in training, and these checks fit no step",
}

SHORT = (
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_estimators_unfitted",
    "check_n_features_in_after_fitting",
    "check_dataframe_column_names_consistency",
    "check_estimators_pickle",
    "check_dict_unchanged",
    "check_fit2d_1sample",
)


@pytest.mark.parametrize("check", SHORT)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_some_of_scikit_learns_checks(kind: type[Any], check: str) -> None:
    getattr(estimator_checks, check)(kind.__name__, kind(**ZERO_SHOT))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_all_of_scikit_learns_checks(kind: type[Any]) -> None:
    check_estimator(kind(**ZERO_SHOT), on_skip=None, expected_failed_checks=EXCEPTIONS)


def test_a_pipeline_scores_in_folds(frame: pd.DataFrame) -> None:
    X, y = frame.drop(columns="target"), frame["target"]
    pipeline = make_pipeline(FunctionTransformer(), CausalMixClassifier(**ZERO_SHOT))
    scores = cross_val_score(pipeline, X, y, cv=2, scoring="roc_auc")
    assert scores.shape == (2,)
    assert (scores > 0.7).all()


def test_numbers_of_numpy_in_settings_leave_checkpoints_that_can_be_read(
    frame: pd.DataFrame, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    settings = {
        "data": {"split": {"val_fraction": np.float64(0.3)}, "episodes_per_epoch": np.int64(1)},
        "model": {"optimizer": {"init_args": {"lr": np.float64(1e-3)}}},
    }
    asked = ZERO_SHOT | {"max_steps": 1, "run_folder": tmp_path, "settings": settings}
    model = CausalMixClassifier(**asked).fit(frame.drop(columns="target"), frame["target"])
    assert model.get_params()["settings"] is settings
    assert not [w for w in recwarn if "damaged" in str(w.message)]
    checkpoints = list(tmp_path.rglob("*.ckpt"))
    assert len(checkpoints) > 1
    for path in checkpoints:
        read_checkpoint(path)


def test_a_grid_goes_through_arguments_and_a_clone_has_them(frame: pd.DataFrame) -> None:
    X, y = frame.drop(columns="target"), frame["target"]
    search = GridSearchCV(CausalMixClassifier(**ZERO_SHOT), {"backbone": ["Nano", "nano"]}, cv=2)
    search.fit(X, y)
    assert search.cv_results_["mean_test_score"][0] == search.cv_results_["mean_test_score"][1]
    asked = CausalMixClassifier(["default", "finetune/ema"], max_steps=3, settings={"data": {}})
    assert clone(asked).get_params() == asked.get_params()


@pytest.mark.parametrize("regression", [False, True])
def test_a_fitted_estimator_survives_pickling(make_frame: Any, regression: bool) -> None:
    frame = make_frame(60, regression=regression)
    X, y = frame.drop(columns="target"), frame["target"]
    model = KINDS[regression](**ZERO_SHOT).fit(X, y)
    again = pickle.loads(pickle.dumps(model))  # of our own making
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.feature_names_in_.tolist() == ["age", "income", "colour", "member"]
    assert again.n_features_in_ == 4
