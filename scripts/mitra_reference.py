"""Runs AutoGluon's own Tab2D; needs the environment of `mitra_environment`, not this package.

    python mitra_reference.py record FOLDER    random models and their outputs
    python mitra_reference.py predict MODEL TABLE OUTPUT    one table through the public classes

A table is a safetensors file with x_context, y_context and x_query; float y means regression.
Everything runs in float32 and without the random sign flips of `MitraClassifier`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from autogluon.tabular.models.mitra._internal.models.tab2d import Tab2D
from autogluon.tabular.models.mitra.sklearn_interface import MitraClassifier, MitraRegressor
from safetensors.torch import load_file, save_file
from torch import Tensor

DIM, LAYERS, HEADS, BINS = 16, 2, 4, 50
MODELS = {
    "classifier": ("CLASSIFICATION", 10),
    "regressor": ("REGRESSION", 1),
    "binned": ("REGRESSION", BINS),
}
SHAPES = ((2, 3, 1), (20, 5, 3), (60, 8, 12), (1300, 4, 2))  # context rows, query rows, columns
CLASSES = (2, 3, 7, 10)


def features(rng: np.random.Generator, n_context: int, n_query: int, n_columns: int) -> Tensor:
    """Draws (1, rows, columns): continuous, then integer with ties, heavy-tailed, constant, ..."""
    x = rng.normal(size=(n_context + n_query, n_columns))
    x[:, 1::4] = np.round(x[:, 1::4])
    x[:, 2::4] = np.exp(3 * x[:, 2::4])
    x[:, 3::4] = 1.5
    return torch.tensor(x, dtype=torch.float32)[None]


def logits(model: Tab2D, x: Tensor, y: Tensor) -> Tensor:
    """Calls the network on the first len(y) rows of x as context and the rest as queries."""
    n_context, n_query = y.shape[1], x.shape[1] - y.shape[1]
    padding = (torch.zeros(1, n, dtype=torch.bool) for n in (x.shape[2], n_context, n_query))
    with torch.no_grad():  # clones: the official code writes into its arguments
        return model(x[:, :n_context].clone(), y.clone(), x[:, n_context:].clone(), *padding)


def record(folder: Path) -> None:
    """Writes one model folder per entry of MODELS, and `cases.safetensors` with their outputs."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    cases: dict[str, Tensor] = {}
    for name, (task, n_outputs) in MODELS.items():
        model = Tab2D(DIM, n_outputs, LAYERS, HEADS, task, False, "", device="cpu")
        model.save_pretrained(str(folder / name))
        for (n_context, n_query, n_columns), n_classes in zip(SHAPES, CLASSES, strict=True):
            x = features(rng, n_context, n_query, n_columns)
            high = n_classes if task == "CLASSIFICATION" else n_outputs
            y = torch.tensor(rng.integers(high, size=(1, n_context)))
            if n_outputs == 1:
                y = torch.tensor(rng.random((1, n_context)), dtype=torch.float32)
            key = f"{name}/network/{n_context}x{n_columns}"
            cases |= {f"{key}/x": x, f"{key}/y": y, f"{key}/output": logits(model, x, y)}
    for name, n_classes in (("classifier", 3), ("regressor", 0)):
        table = gappy_table(rng, n_classes)
        table["output"] = predict(folder / name, table)
        cases |= {f"{name}/table/{key}": value for key, value in table.items()}
    save_file({k: v.contiguous() for k, v in cases.items()}, folder / "cases.safetensors")


def gappy_table(rng: np.random.Generator, n_classes: int) -> dict[str, Tensor]:
    """Draws a table with missing values, an empty column and constant columns."""
    x = features(rng, 40, 6, 6)[0]
    x[torch.tensor(rng.random(x.shape) < 0.2)] = torch.nan
    x[:40, 5] = torch.nan
    y = rng.integers(n_classes, size=40) if n_classes else rng.normal(10, 3, size=40)
    dtype = torch.int64 if n_classes else torch.float32
    return {"x_context": x[:40], "y_context": torch.tensor(y, dtype=dtype), "x_query": x[40:]}


def predict(model: Path, table: dict[str, Tensor], precision: str = "float32") -> Tensor:
    """Predicts through MitraClassifier or MitraRegressor without fine-tuning.

    Args:
        model: Folder in the official format.
        table: x_context, y_context, x_query.
        precision: "float32", or "bfloat16" as AutoGluon itself predicts.

    Returns:
        float32 (Q, classes) probabilities, or (Q,) values.
    """
    x, y = table["x_context"].double().numpy(), table["y_context"].numpy()
    options: dict[str, Any] = {
        "hf_model": str(model),
        "device": "cpu",
        "fine_tune": False,
        "random_mirror_x": False,
        "verbose": False,
    }
    regression = np.issubdtype(y.dtype, np.floating)
    if regression:
        n_outputs = json.loads((model / "config.json").read_text())["dim_output"]
        if n_outputs > 1:  # AutoGluon takes no binned head unless mitra-finetune changes it
            from mitra_finetune.patches import install_reg_ce_patches

            install_reg_ce_patches(n_outputs)
        estimator = MitraRegressor(random_mirror_regression=False, **options)
    else:
        estimator = MitraClassifier(**options)
    estimator.fit(x.copy(), y.copy(), X_val=x.copy(), y_val=y.copy())
    for trainer in estimator.trainers:
        trainer.cfg.hyperparams["precision"] = precision
    queries = table["x_query"].double().numpy().copy()
    output = estimator.predict(queries) if regression else estimator.predict_proba(queries)
    return torch.tensor(np.asarray(output), dtype=torch.float32)


def main(command: str, *arguments: str) -> None:
    """Runs one of the two commands."""
    paths = [Path(argument) for argument in arguments]
    if command == "record":
        record(*paths)
        return
    model, table, output = paths
    rows = load_file(table)
    kinds = {p: predict(model, rows, p) for p in ("float32", "bfloat16")}
    save_file({name: value.contiguous() for name, value in kinds.items()}, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
