"""What `benchmarks/nano.py` compares: in-context learners and scikit-learn's defaults."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.backbones import Backbone, Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.nano import embedded_weights
from lit_causalmix.datamodules.stream import EpisodeParts, EvaluationStream
from lit_causalmix.errors import WeightsError
from lit_causalmix.tables import Encoder, TableSplits

MOST_QUERY = 2_000
Prediction = NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A method and what identifies its state.

    Attributes:
        predict: Probabilities (n_test, K), or values (n_test,) in the target's units.
        version: Checksum of its weights, so that new weights are measured afresh; "" without any.
    """

    predict: Callable[[TableSplits, Encoder], Prediction]
    version: str = ""


def checksum(file: Path) -> str:
    """The first 12 digits of a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def in_context(backbone: Backbone, splits: TableSplits, encoder: Encoder) -> Prediction:
    """Zero-shot predictions: all training rows are context."""
    backbone.check(splits.train.schema, len(splits.train), n_columns=len(encoder.columns))
    stream = EvaluationStream(
        splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=MOST_QUERY
    )
    backbone.eval()
    with torch.no_grad():
        parts = [backbone.predict(backbone(episode), episode) for episode in stream]
    return torch.cat(parts).double().numpy()


def scikit_learn(kind: str, splits: TableSplits, encoder: Encoder) -> Prediction:
    """A method of scikit-learn with its default settings behind the usual preparation.

    Linear models see one-hot categories and standardised numbers with gaps at the mean (and, for
    convergence alone, up to 2,000 iterations), forests category indices, boosting both as they are.
    """
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    classes = encoder.n_classes > 0
    seed = {"random_state": 0}
    model: Any
    if kind == "boosting":
        boosted = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        # The index of a category, -1 where it is missing; boosting bins at most 255 of them.
        model = boosted(categorical_features=encoder.categorical, **seed)
    elif kind == "forest":
        forest = RandomForestClassifier if classes else RandomForestRegressor
        model = make_pipeline(SimpleImputer(), forest(**seed))
    else:
        linear = LogisticRegression(max_iter=2_000) if classes else Ridge()
        columns = make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="most_frequent"), _one_hot(OneHotEncoder)),
                encoder.categorical,
            ),
            (SimpleImputer(), ~encoder.categorical),
        )
        model = make_pipeline(columns, linear)
    model.fit(encoder.features(splits.train.values), encoder.targets(splits.train.values))
    features = encoder.features(splits.test.values)
    if not classes:
        values: Prediction = encoder.y_location + encoder.y_scale * model.predict(features)
        return values
    probabilities = np.zeros((len(features), encoder.n_classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


def _one_hot(encoder: Any) -> Any:
    return encoder(handle_unknown="ignore", sparse_output=False)


def methods(classifier: Path | None, regressor: Path | None) -> dict[bool, dict[str, Method]]:
    """The methods for classification (True) and regression (False), by name.

    Args:
        classifier: Folder of Tab2D weights to measure as "nano"; None takes the embedded model.
        regressor: Likewise, for regression.
    """
    plain = {name: Method(partial(scikit_learn, name)) for name in ("forest", "boosting")}
    linear = Method(partial(scikit_learn, "linear"))
    found: dict[bool, dict[str, Method]] = {
        True: {"logistic regression": linear, **plain},
        False: {"ridge": linear, **plain},
    }
    for task, folder in (("classification", classifier), ("regression", regressor)):
        model = Nano() if folder is None else Tab2D.from_pretrained(folder)
        file = (folder or embedded_weights(task)) / "model.safetensors"
        found[task == "classification"]["nano"] = Method(partial(in_context, model), checksum(file))
    try:
        found[True]["TabPFN v1"] = Method(partial(in_context, TabPFNV1(n_ensemble=3)))
    except WeightsError as error:
        print(f"without TabPFN v1: {error}", file=sys.stderr)
    return found
