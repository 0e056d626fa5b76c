"""Runs the published package tabpfn 0.1.11 on prepared inputs; see record_tabpfn_v1_reference.py.

Started in the reference environment, which has no lit-causalmix: WORKER FOLDER reads
`FOLDER/inputs.npz` and writes `FOLDER/outputs.json`. The official file lies in
`FOLDER/models_diff`, where the package looks before it would download anything.
"""

from __future__ import annotations

import itertools
import json
import platform
import random
import sys
import typing
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.modules.transformer

SEED = 0
N_ENSEMBLE = 4


def published_classifier() -> type:
    """Imports the package; current torch no longer re-exports a name that it takes from there."""
    torch.nn.modules.transformer.Optional = typing.Optional
    from tabpfn import TabPFNClassifier

    return TabPFNClassifier


def published_members(n_classes: int, n_columns: int) -> list[list[int]]:
    """Repeats the package's draws: [class shift, feature shift, power] of each member."""
    torch.manual_seed(SEED)
    features, classes = torch.randperm(n_columns).tolist(), torch.randperm(n_classes).tolist()
    shifts = list(itertools.product(classes, features))
    random.Random(SEED).shuffle(shifts)
    return [[*shift, power] for shift in shifts for power in (0, 1)][:N_ENSEMBLE]


def main(folder: Path) -> None:
    """Predicts every case of `folder`."""
    classifier = published_classifier()
    inputs = np.load(folder / "inputs.npz")
    names = sorted({key.split("/")[0] for key in inputs.files})
    results = {}
    for name in names:
        context, query, labels = (inputs[f"{name}/{part}"] for part in ("x", "x_query", "y"))

        def probabilities(**settings: object) -> np.ndarray:
            model = classifier(base_path=folder, seed=SEED, **settings)
            return model.fit(context, labels).predict_proba(query)  # noqa: B023

        plain = {"multiclass_decoder": "", "feature_shift_decoder": False}
        single = probabilities(N_ensemble_configurations=1, **plain)
        without = probabilities(N_ensemble_configurations=1, no_preprocess_mode=True, **plain)
        if not np.array_equal(single, without):
            raise RuntimeError(f"{name}: the first configuration is not the untransformed one")
        results[name] = {
            "single": single.astype(float).tolist(),
            "ensemble": probabilities(N_ensemble_configurations=N_ENSEMBLE).astype(float).tolist(),
            "members": published_members(len(np.unique(labels)), context.shape[1]),
        }
    versions = {
        "python": platform.python_version(),
        "tabpfn": "0.1.11",
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }
    text = json.dumps({"versions": versions, "cases": results})
    (folder / "outputs.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
