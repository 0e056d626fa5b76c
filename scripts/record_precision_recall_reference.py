"""Records α-precision and β-recall of a published implementation, as reference values.

    python scripts/record_precision_recall_reference.py

downloads the wheel of synthcity 0.2.12 (Apache-2.0; of the group of the method's authors) without
its dependencies, which do not install beside this package, runs the one method of it that computes
the curves, as it stands, and writes `tests/reference/precision_recall.json`: for each case how its
points are made, the two curves and their summaries.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

PACKAGE = "synthcity==0.2.12"
SOURCE = "synthcity/metrics/eval_statistical.py"
TARGET = Path(__file__).resolve().parent.parent / "tests" / "reference" / "precision_recall.json"

CASES = (
    {"name": "same distribution", "n": 120, "columns": 4, "shift": 0.0, "scale": 1.0},
    {"name": "shifted", "n": 120, "columns": 4, "shift": 1.0, "scale": 1.0},
    {"name": "too narrow", "n": 90, "columns": 6, "shift": 0.0, "scale": 0.3},
    {"name": "too wide", "n": 90, "columns": 3, "shift": 0.5, "scale": 2.5},
)


def points(case: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the real and the synthetic points of a case."""
    rng = np.random.default_rng(0)
    shape = (int(case["n"]), int(case["columns"]))
    real = rng.normal(size=shape)
    return real, case["shift"] + case["scale"] * rng.normal(size=shape)


def published_method() -> Callable[..., Any]:
    """Takes `AlphaPrecision.metrics` out of the wheel, without importing the package."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*pip, PACKAGE], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            tree = ast.parse(wheel.read(SOURCE).decode())
    (method,) = (
        item
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "AlphaPrecision"
        for item in node.body
        if isinstance(item, ast.FunctionDef) and item.name == "metrics"
    )
    method.decorator_list, method.returns = [], None
    for argument in method.args.args:
        argument.annotation = None
    namespace: dict[str, Any] = {"np": np, "NearestNeighbors": NearestNeighbors}
    exec(compile(ast.Module([method], []), SOURCE, "exec"), namespace)
    found: Callable[..., Any] = namespace["metrics"]
    return found


def main() -> None:
    """Runs the published method on every case and writes what it returns."""
    method = published_method()
    recorded = []
    for case in CASES:
        _, precision, recall, alpha_precision, beta_recall, _ = method(None, *points(case))
        recorded.append(
            {
                **case,
                "precision_curve": [float(value) for value in precision],
                "recall_curve": [float(value) for value in recall],
                "alpha_precision": float(alpha_precision),
                "beta_recall": float(beta_recall),
            }
        )
    TARGET.write_text(json.dumps({"package": PACKAGE, "cases": recorded}, indent=1) + "\n")


if __name__ == "__main__":
    main()
