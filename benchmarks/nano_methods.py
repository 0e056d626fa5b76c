"""What `benchmarks/nano.py` compares: in-context learners and scikit-learn's defaults."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.backbones import AxialTransformer, Backbone, Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.folder import WEIGHTS_FILE
from lit_causalmix.backbones.nano import LATEST, VERSIONS, embedded_weights
from lit_causalmix.errors import LimitError, WeightsError
from lit_causalmix.tables import Encoder, TableSplits
from lit_causalmix.tables.episodes import EpisodeParts, EvaluationStream

MOST_QUERY = 2_000
MOST_SECONDS = 300
"""Wall time of a fit and prediction in another environment."""
Prediction = NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A method and what identifies its state.

    Attributes:
        predict: Probabilities (n_test, K), or values (n_test,) in the target's units.
        version: Checksum of its weights, so that new weights are measured afresh; "" without any.
        interval: For regression by bins: the 5 % and 95 % quantiles (n_test, 2), in target units.
    """

    predict: Callable[[TableSplits, Encoder], Prediction]
    version: str = ""
    interval: Callable[[TableSplits, Encoder], Prediction] | None = None


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


def quantiles(backbone: Backbone, splits: TableSplits, encoder: Encoder) -> Prediction:
    """The bounds of the predicted 90 % interval (n_test, 2), in the target's units."""
    stream = EvaluationStream(
        splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=MOST_QUERY
    )
    backbone.eval()
    with torch.no_grad():
        parts = [backbone.quantiles(backbone(e), e, (0.05, 0.95)) for e in stream]
    return torch.cat(parts).double().numpy()


def external(
    kind: str, python: Path, weights: Path | None, splits: TableSplits, encoder: Encoder
) -> Prediction:
    """A method in an environment of its own (`nano_external.py`).

    Raises:
        LimitError: If it takes more than `MOST_SECONDS`.
    """
    classes = encoder.n_classes
    target = encoder.targets(splits.train.values)
    with tempfile.TemporaryDirectory() as folder:
        source, found = Path(folder) / "input.npz", Path(folder) / "output.npy"
        np.savez(
            source,
            x_train=encoder.features(splits.train.values),
            x_test=encoder.features(splits.test.values),
            y_train=target if classes else encoder.y_location + encoder.y_scale * target,
            categorical=encoder.categorical,
            n_classes=classes,
        )
        script = Path(__file__).with_name("nano_external.py")
        more = [] if weights is None else [str(weights)]
        command = [python, script, kind, source, found, *more]
        try:
            subprocess.run(command, check=True, timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            raise LimitError(f"takes more than {MOST_SECONDS} s") from None
        values: Prediction = np.load(found)
    return values


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


def load(folder: Path) -> Tab2D | AxialTransformer:
    """Weights of either architecture; an axial transformer's configuration names it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return (AxialTransformer if "architecture" in config else Tab2D).from_pretrained(folder)


def candidate(folder: Path) -> Method:
    """Weights that are not embedded."""
    model = load(folder)
    binned = isinstance(model, AxialTransformer) and model.limits.regression
    bounds = partial(quantiles, model) if binned else None
    return Method(partial(in_context, model), checksum(folder / WEIGHTS_FILE), bounds)


@dataclass(frozen=True)
class Extra:
    """What is compared besides, where it is at hand.

    Attributes:
        classifier: Folder of weights to measure as "candidate".
        regressor: Likewise, for regression.
        catboost: Python of an environment with CatBoost.
        tabpfn: Python of an environment with tabpfn 9.
        tabpfn_weights: File of TabPFN v2's regressor.
    """

    classifier: Path | None = None
    regressor: Path | None = None
    catboost: Path | None = None
    tabpfn: Path | None = None
    tabpfn_weights: Path | None = None


def methods(extra: Extra) -> dict[bool, dict[str, Method]]:
    """The methods for classification (True) and regression (False), by name."""
    plain = {name: Method(partial(scikit_learn, name)) for name in ("forest", "boosting")}
    if extra.catboost is not None:
        plain["CatBoost"] = Method(partial(external, "catboost", extra.catboost, None))
    linear = Method(partial(scikit_learn, "linear"))
    found: dict[bool, dict[str, Method]] = {
        True: {"logistic regression": linear, **plain},
        False: {"ridge": linear, **plain},
    }
    for version in VERSIONS:
        model = Nano(version)  # type: ignore[arg-type]
        for is_classification, task in ((True, "classification"), (False, "regression")):
            told = version == LATEST and not is_classification
            found[is_classification][f"Nano {version}"] = Method(
                partial(in_context, model),
                checksum(embedded_weights(task, version) / WEIGHTS_FILE),
                partial(quantiles, model) if told else None,
            )
    for is_classification, folder in ((True, extra.classifier), (False, extra.regressor)):
        if folder is not None:
            found[is_classification]["candidate"] = candidate(folder)
    if extra.tabpfn is not None:
        found[False]["TabPFN v2"] = Method(
            partial(external, "tabpfn-v2", extra.tabpfn, extra.tabpfn_weights)
        )
    try:
        found[True]["TabPFN v1"] = Method(partial(in_context, TabPFNV1(n_ensemble=3)))
    except WeightsError as error:
        print(f"without TabPFN v1: {error}", file=sys.stderr)
    return found
