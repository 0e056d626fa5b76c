"""`lit-causalmix fit` on real tables with pre-trained models, from CSV to normalised scores."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights import locate

TABLES = ("credit_g", "diabetes_pima", "splice", "anneal")


@pytest.fixture(scope="session")
def _weights() -> None:
    try:
        locate("tabpfn-v1")
    except WeightsError as error:
        pytest.skip(str(error))


def fit(name: str, folder: Path, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fits a table on few rows and steps; returns what the index and the report say."""
    index = json.loads((folder / "index.json").read_text())
    facts: dict[str, Any] = {t["name"]: t for t in index}[name]
    kinds = dict.fromkeys(facts["categorical"], "categorical")
    status = main(
        [
            "fit",
            f"--data.table.source={folder / facts['file']}",
            f"--data.table.target={facts['target']}",
            f"--data.table.domain={facts['domain']}",
            f"--data.table.kinds={json.dumps(kinds)}",
            "--data.split.max_train_rows=150",
            "--data.split.max_val_rows=60",
            "--data.split.max_test_rows=60",
            "--data.episodes_per_epoch=2",
            "--data.cache_dir=cache",
            "--trainer.max_epochs=1",
            "--trainer.accelerator=cpu",
            "--trainer.enable_progress_bar=false",
            *options,
        ]
    )
    assert status == 0
    return facts, json.loads(Path("runs/fit/version_0/report.json").read_text())


def check(facts: dict[str, Any], report: dict[str, Any], headline: str, least: float) -> None:
    assert {row["domain"] for row in report["rows"]} == {"real", facts["domain"]}
    for row in report["rows"]:
        assert row["zero_shot"]["value"] is not None
        assert row["normalized"]["value"] is not None
    score = next(r for r in report["rows"] if r["metric"] == headline)
    assert score["zero_shot"]["value"] > least  # the weights are pre-trained ones


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


@pytest.mark.usefixtures("_weights")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TABLES)
def test_tabpfn_v1_ends_with_normalised_scores_per_domain(
    name: str, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, report = fit(name, real_data, "--model.backbone=TabPFNV1")
    check(facts, report, "roc_auc", 0.6)
    assert "normalised" in capsys.readouterr().out


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "headline", "least"), [("diabetes_pima", "roc_auc", 0.7), ("concrete", "r2", 0.3)]
)
def test_the_embedded_model_ends_with_normalised_scores_per_domain(
    name: str, headline: str, least: float, real_data: Path
) -> None:
    facts, report = fit(name, real_data)
    check(facts, report, headline, least)
