"""Fits of backbones from other packages with random weights, from the command line to scores."""

import json
import math
from pathlib import Path

import pytest
import yaml

from lit_causalmix.backbones import TabICL, TabPFN
from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
TABPFN = {"dim": 16, "n_heads": 2, "n_layers": 1, "n_buckets": 50}
TABICL = {
    "dim": 16,
    "n_heads": 2,
    "n_column_layers": 1,
    "n_row_layers": 1,
    "n_context_layers": 1,
    "n_inducing": 8,
}


@pytest.mark.parametrize(
    ("kind", "package", "task", "sizes", "table"),
    [
        (TabPFN, "tabpfn", "regression", TABPFN, "sklearn:diabetes"),
        (TabICL, "tabicl", "classification", TABICL, "german_credit"),
    ],
)
def test_a_fit_ends_with_scores_and_a_folder(
    kind: type[TabPFN | TabICL],
    package: str,
    task: str,
    sizes: dict[str, int],
    table: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(package, reason=f"the extra {package} is not installed")
    monkeypatch.chdir(tmp_path)
    backbone = {
        "class_path": f"lit_causalmix.backbones.{kind.__name__}",
        "init_args": {"weights": None, "task": task, "sizes": sizes},
    }
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"model": {"backbone": backbone}}))
    configs = ["--config", str(TINY), "--config", "model.yaml"]
    arguments = ["--data.table.source", table, "--trainer.callbacks+=PretrainedFolder"]
    assert main(["fit", *configs, *arguments]) == 0
    (report,) = tmp_path.rglob("report.json")
    rows = [row for row in json.loads(report.read_text())["rows"] if row["stage"] == "test"]
    assert rows
    assert all(math.isfinite(row["zero_shot"]["value"]) for row in rows)
    again = kind(str(report.parent / "weights"), task=task)  # type: ignore[arg-type]
    assert sum(p.numel() for p in again.parameters()) > 0
