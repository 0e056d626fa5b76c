"""Records what the published TabPFN v1 package predicts, as reference values for the tests.

    python scripts/record_tabpfn_v1_reference.py

makes a virtual environment in a temporary folder, installs tabpfn 0.1.11 there with versions of
scikit-learn and numpy that it still works with, fetches the official weights from the source
archive (see `lit_causalmix.weights`), runs the package, and writes
`tests/reference/tabpfn_v1.json`: for each case the rows of context and query (half/half,
stratified), which cells are made missing, and the probabilities of the query rows with one
configuration and without shifts ("single") and with the published ensemble of four ("ensemble",
with its members). It takes a few minutes and one gigabyte of disk. `--venv` keeps the environment
for the next run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from lit_causalmix.weights import REGISTRY
from lit_causalmix.weights.fetch import default_pip, fetch_official

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "reference" / "tabpfn_v1.json"
REQUIREMENTS = (
    ["torch>=2.10"],
    # scikit-learn 1.6 renamed an argument that the package uses
    ["scikit-learn<1.6", "numpy<2", "requests"],
    ["--no-deps", "tabpfn==0.1.11"],
)


def case(table: str, *, missing_every: int = 0, constant: bool = False) -> dict[str, Any]:
    """Defines one case: a table of scikit-learn, cut in halves, perhaps with holes."""
    x, y = getattr(datasets, f"load_{table}")(return_X_y=True)
    context, query = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=0)
    missing = np.arange(3, x.size, missing_every).tolist() if missing_every else []
    return {
        "table": table,
        "context": sorted(context.tolist()),
        "query": sorted(query.tolist()),
        "missing": missing,
        "constant": constant,
    }


def features(definition: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the features and labels of all rows of a case."""
    x, y = getattr(datasets, f"load_{definition['table']}")(return_X_y=True)
    x.flat[definition["missing"]] = np.nan
    if definition["constant"]:
        x = np.insert(x, 1, 7.0, axis=1)
    return x, y


def environment(folder: Path) -> Path:
    """Returns the interpreter of the reference environment, made if it is not there."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        for requirements in REQUIREMENTS:
            subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
    return python


def main() -> None:
    """Makes the environment, runs the worker in it and writes the record."""
    parser = argparse.ArgumentParser(description="Records reference predictions of TabPFN v1.")
    parser.add_argument("--venv", type=Path, help="folder of the reference environment, kept")
    chosen = parser.parse_args().venv
    cases = {name: case(name) for name in ("breast_cancer", "wine", "iris")}
    cases["wine_missing"] = case("wine", missing_every=11, constant=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment(chosen or folder / "venv")
        source = REGISTRY["tabpfn-v1"]
        official = fetch_official(source, folder, pip=default_pip(), progress=True)
        (folder / "models_diff").mkdir()
        official.rename(folder / source.member)
        inputs = {}
        for key, definition in cases.items():
            x, y = features(definition)
            inputs[f"{key}/x"] = x[definition["context"]]
            inputs[f"{key}/y"] = y[definition["context"]]
            inputs[f"{key}/x_query"] = x[definition["query"]]
        np.savez(folder / "inputs.npz", **inputs)
        worker = Path(__file__).with_name("tabpfn_v1_reference_worker.py")
        subprocess.run([python, worker, folder], check=True)
        outputs = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))
    for key, result in outputs["cases"].items():
        cases[key] |= result
    record = {"versions": outputs["versions"], "cases": cases}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
