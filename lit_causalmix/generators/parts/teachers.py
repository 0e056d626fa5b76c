"""Random teachers: classifiers and regressors that label rows for Mixed-Model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Column

Draw = Callable[[np.random.Generator, bool, int], Any]
"""Makes an unfitted scikit-learn model of random hyper-parameters from (source, whether it
classifies, seed)."""


def _forest(rng: np.random.Generator, classify: bool, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestClassifier if classify else RandomForestRegressor)(
        n_estimators=int(rng.integers(10, 101)),
        min_samples_leaf=int(rng.integers(1, 6)),
        max_features=float(rng.uniform(0.2, 1)),
        random_state=seed,
    )


def _tree(rng: np.random.Generator, classify: bool, seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    return (DecisionTreeClassifier if classify else DecisionTreeRegressor)(
        max_depth=int(rng.integers(2, 13)),
        min_samples_leaf=int(rng.integers(1, 11)),
        random_state=seed,
    )


def _mlp(rng: np.random.Generator, classify: bool, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return (MLPClassifier if classify else MLPRegressor)(
        hidden_layer_sizes=(int(rng.integers(16, 129)),) * int(rng.integers(1, 3)),
        activation=str(rng.choice(["relu", "tanh"])),
        alpha=float(10 ** rng.uniform(-5, 0)),
        learning_rate_init=float(10 ** rng.uniform(-3, -2)),
        max_iter=200,
        random_state=seed,
    )


def _svm(rng: np.random.Generator, classify: bool, seed: int) -> Any:
    from sklearn.svm import SVC, SVR

    machine = (SVC if classify else SVR)(
        kernel=str(rng.choice(["rbf", "linear", "poly"])),
        C=float(10 ** rng.uniform(-1, 2)),
        max_iter=20_000,
    )
    # Without it scikit-learn asks the global generator for a seed; SVR takes it by no argument.
    machine.random_state = seed
    return machine


def _boosting(rng: np.random.Generator, classify: bool, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return (HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor)(
        max_iter=int(rng.integers(20, 101)),
        learning_rate=float(10 ** rng.uniform(-2, -0.5)),
        max_leaf_nodes=int(rng.integers(4, 32)),
        min_samples_leaf=int(rng.integers(2, 21)),
        early_stopping=False,
        random_state=seed,
    )


TEACHERS: Mapping[str, Draw] = {
    "forest": _forest,
    "tree": _tree,
    "mlp": _mlp,
    "svm": _svm,
    "boosting": _boosting,
}
"""The kinds are published, the ranges of their hyper-parameters are our choice."""


def fit_teacher(
    kind: str,
    features: NDArray[np.float64],
    target: NDArray[np.float64],
    columns: Sequence[Column],
    rng: np.random.Generator,
    *,
    classify: bool,
    seed: int,
) -> Any:
    """Fits a random teacher on real rows; it sees categories one-hot [our choice].

    Args:
        kind: Out of `TEACHERS`.
        features: Complete, numbers standardised, categories as codes, float64 (m, C).
        target: Class indices or standardised values, float64 (m,): one range of hyper-parameters
            has to serve all tables.
        columns: The C feature columns.
        rng: Source of the hyper-parameters.
        classify: Whether the target holds classes.
        seed: Of the model's own randomness.

    Returns:
        A model whose `predict` takes features like these and returns float64 (n,).
    """
    from sklearn.compose import make_column_transformer
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    coded = [j for j, c in enumerate(columns) if not c.is_numerical]
    codes = [np.arange(len(columns[j].categories), dtype=np.float64) for j in coded]
    design = make_column_transformer(
        (OneHotEncoder(categories=codes, sparse_output=False), coded), remainder="passthrough"
    )
    teacher = make_pipeline(design, TEACHERS[kind](rng, classify, seed))
    with warnings.catch_warnings():
        # A teacher that stops before it converges is a random teacher all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return teacher.fit(features, target)
