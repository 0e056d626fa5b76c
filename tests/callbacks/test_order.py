"""The order in which callbacks stand in a configuration changes no bit."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.configuration import config_folder

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
NAMES = "lit_causalmix.callbacks."
EXTRA = [
    {"class_path": NAMES + "EMAWeights", "init_args": {"decay": 0.5}},
    {"class_path": NAMES + "WeightInterpolation", "init_args": {"coefficients": [0.3, 0.6]}},
    {"class_path": NAMES + "ScoreTrajectory"},
    {"class_path": NAMES + "FGSM", "init_args": {"epsilons": [0.2]}},
    {"class_path": NAMES + "GeneratorQuality", "init_args": {"measures": ["shapes"]}},
    {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {
            "filename": "validated",
            "monitor": "val/loss",
            "save_on_train_epoch_end": False,
        },
    },
]


def outcome(name: str, callbacks: list[dict[str, Any]], csv: Path, *options: str) -> dict[str, Any]:
    config = Path(f"{name}.yaml")
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    given = [*table, f"--trainer.logger.init_args.name={name}", *options]
    assert main(["fit", "--config", str(TINY), "--config", str(config), *given]) == 0
    run = Path("runs") / name / "version_0"
    found: dict[str, Any] = {"report": json.loads((run / "report.json").read_text())}
    for file in ("best.ckpt", "checkpoints/last.ckpt", "checkpoints/validated.ckpt"):
        content = torch.load(run / file, weights_only=True)
        found[f"{file} weights"] = content["checksums"]["state_dict"]
        found[f"{file} scores"] = content["scoreboard"]
        found[f"{file} averaged from"] = {
            k: v.tolist() for k, v in content.get("ema_weights", {}).items()
        }
    return found


@pytest.mark.parametrize("rate", [0.02, pytest.param(3.0, marks=pytest.mark.slow)])
def test_shuffled_callbacks_give_the_same_bits(
    rate: float, csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    default = yaml.safe_load((config_folder() / "default.yaml").read_text())
    callbacks = [*default["trainer"]["callbacks"], *EXTRA]
    option = f"--model.optimizer.lr={rate}"
    expected = outcome("listed", callbacks, csv, option)
    assert {"trajectory", "interpolation"} <= set(expected["report"])
    assert any(row["domain"] == "perturbed_0.2" for row in expected["report"]["rows"])
    orders = [callbacks[::-1]]
    for seed in range(2):
        orders.append(random.Random(seed).sample(callbacks, len(callbacks)))
    for number, order in enumerate(orders):
        found = outcome(f"order-{number}", order, csv, option)
        for part, value in expected.items():
            assert found[part] == value, (part, [c["class_path"] for c in order])
