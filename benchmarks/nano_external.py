"""One fit and prediction by a library that lives in an environment of its own.

    PYTHON benchmarks/nano_external.py METHOD INPUT.npz OUTPUT.npy [WEIGHTS]

`benchmarks/nano.py` calls it with the Python of that environment, which needs numpy and the
library: METHOD is "catboost" (its defaults), or "tabpfn-v2" (the regressor, with the weights file
WEIGHTS). INPUT holds x_train and x_test (float, codes in categorical columns, NaN in gaps),
y_train, categorical (bool per column) and n_classes (0 for regression). OUTPUT gets probabilities
(n_test, n_classes), or values (n_test,).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np


def catboost(data: Mapping[str, Any]) -> Any:
    """CatBoost with its defaults, one thread; a gap in a category is a level of its own."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    columns = np.flatnonzero(data["categorical"])

    def table(x: Any) -> Any:
        values = x.astype(object)
        for j in columns:
            values[:, j] = ["gap" if np.isnan(v) else str(int(v)) for v in x[:, j]]
        return values

    classes = int(data["n_classes"])
    kind = CatBoostClassifier if classes else CatBoostRegressor
    settings = {"thread_count": 1, "random_seed": 0, "verbose": False, "allow_writing_files": False}
    model = kind(cat_features=columns.tolist(), **settings)
    model.fit(table(data["x_train"]), data["y_train"])
    if not classes:
        return model.predict(table(data["x_test"]))
    found = np.zeros((len(data["x_test"]), classes))
    found[:, model.classes_.astype(int)] = model.predict_proba(table(data["x_test"]))
    return found


def tabpfn_v2(data: Mapping[str, Any], weights: str) -> Any:
    """TabPFN v2's regressor with its defaults, on the CPU."""
    from tabpfn import TabPFNRegressor

    model = TabPFNRegressor(
        model_path=weights,
        device="cpu",
        random_state=0,
        categorical_features_indices=np.flatnonzero(data["categorical"]).tolist(),
    )
    model.fit(data["x_train"], data["y_train"])
    return model.predict(data["x_test"])


def main() -> None:
    """Reads the command line, fits and predicts."""
    method, source, target, *weights = sys.argv[1:]
    with np.load(source) as data:
        found = catboost(data) if method == "catboost" else tabpfn_v2(data, *weights)
    np.save(target, np.asarray(found, dtype=np.float64))


if __name__ == "__main__":
    main()
