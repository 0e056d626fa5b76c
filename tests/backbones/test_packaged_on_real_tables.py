"""Each packaged backbone, from its YAML to normalised scores on a real table."""

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights import locate

CONFIGS = Path(__file__).parents[2] / "configs" / "backbones"
MITRA = {"weights": None, "dim": 16, "n_layers": 1}
TABPFN = {"weights": None, "sizes": {"dim": 16, "n_heads": 2, "n_layers": 1, "n_buckets": 50}}
BLOCKS = ("n_column_layers", "n_row_layers", "n_context_layers")
TABICL = {
    "weights": None,
    "sizes": {"dim": 16, "n_heads": 2, "n_inducing": 8, **dict.fromkeys(BLOCKS, 1)},
}
RANDOM: dict[str, dict[str, Any]] = {
    "mitra-classifier": MITRA,
    "mitra-regressor": MITRA,
    "mitra-v2-classifier": MITRA,
    "mitra-v2-regressor": MITRA,
    "tabpfn-v2-classifier": TABPFN,
    "tabpfn-v2-regressor": TABPFN,
    "tabicl-v2-classifier": TABICL,
    "tabicl-v2-regressor": TABICL,
}
"""Small random weights in the place of those that only a hub has."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_a_packaged_backbone_fits_a_real_table(
    name: str, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = name.split("-")[0]
    if package in ("tabpfn", "tabicl") and "v1" not in name and find_spec(package) is None:
        pytest.skip(f"the extra {package} is not installed")
    if "tabpfn-v1" in name:
        try:
            locate("tabpfn-v1")
        except WeightsError as error:
            pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    table = "concrete" if name.endswith("regressor") else "credit_g"
    index = json.loads((real_data / "index.json").read_text(encoding="utf-8"))
    (facts,) = (found for found in index if found["name"] == table)
    (tmp_path / "random.json").write_text(
        json.dumps({"model": {"backbone": {"init_args": RANDOM.get(name, {})}}}), encoding="utf-8"
    )
    source = f"--data.table.source={real_data / facts['file']}"
    rows = (
        "--data.split.max_train_rows=60 --data.split.max_val_rows=30 --data.split.max_test_rows=30"
    )
    few = f"{rows} --data.episodes_per_epoch=2 --data.synthetic_ratio=0 --trainer.max_epochs=1"
    configs = ["--config", f"backbones/{name}"]
    if name in RANDOM:
        configs += ["--config", "random.json"]
    target = f"--data.table.target={facts['target']}"
    assert main(["fit", *configs, source, target, *few.split()]) == 0
    report = json.loads(Path("runs/fit/version_0/report.json").read_text(encoding="utf-8"))
    tested = [row for row in report["rows"] if row["stage"] == "test"]
    assert tested
    assert all(math.isfinite(row["zero_shot"]["value"]) for row in tested)
