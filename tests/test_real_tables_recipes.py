"""Every packaged recipe (stopping, schedules, fine-tuning) on a real table, with `Nano`."""

import json
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.commands.main import main

TABLES = ("credit_g", "splice", "maternal_health_risk", "concrete")
CONFIGS = Path(__file__).parent.parent / "configs"
RECIPES = sorted(
    str(path.relative_to(CONFIGS).with_suffix(""))
    for folder in ("finetune", "schedules", "stopping")
    for path in (CONFIGS / folder).glob("*.yaml")
)


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "name"), zip(RECIPES, cycle(TABLES), strict=False))
def test_every_recipe_runs_on_a_real_table(
    recipe: str,
    name: str,
    real_data: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if recipe == "finetune/lora":
        pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    report = fit(recipe, name, real_data, tmp_path_factory.getbasetemp() / "generators")
    losses = ("log_loss", "rmse")
    loss = next(r for r in report["rows"] if r["domain"] == "real" and r["metric"] in losses)
    assert loss["fine_tuned"]["value"] is not None
    assert loss["zero_shot"]["value"] is not None
    assert len(report["history"]) == 3  # zero-shot and two epochs


def fit(recipe: str, name: str, real_data: Path, cache: Path) -> dict[str, Any]:
    """Fits a table on few rows and steps by a recipe; returns the report."""
    index = json.loads((real_data / "index.json").read_text())
    facts: dict[str, Any] = {t["name"]: t for t in index}[name]
    kinds = dict.fromkeys(facts["categorical"], "categorical")
    status = main(
        [
            "fit",
            "--config",
            recipe,
            f"--data.table.source={real_data / facts['file']}",
            f"--data.table.target={facts['target']}",
            f"--data.table.kinds={json.dumps(kinds)}",
            "--data.split.max_train_rows=100",
            "--data.split.max_val_rows=60",
            "--data.split.max_test_rows=60",
            "--data.episodes_per_epoch=2",
            "--data.generator=SCMGenerator",
            "--data.generator.n_dags=2",
            "--data.generator.n_resamples=1",
            "--data.generator.mechanism=linear",
            f"--data.cache_dir={cache}",
            "--data.progress=false",
            "--trainer.max_epochs=2",
            "--trainer.accelerator=cpu",
            "--trainer.enable_progress_bar=false",
        ]
    )
    assert status == 0
    report: dict[str, Any] = json.loads(
        Path("runs/fit/version_0/report.json").read_text(encoding="utf-8")
    )
    return report
