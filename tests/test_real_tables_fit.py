"""`lit-causalmix fit` on real tables with the real TabPFN v1, from CSV to normalised scores."""

import json
import sys
from pathlib import Path

import pytest

from lit_causalmix.cli import main
from lit_causalmix.errors import WeightsError
from lit_causalmix.weights import locate

TABLES = ("credit_g", "diabetes_pima", "splice", "anneal")


@pytest.fixture(scope="session")
def _weights() -> None:
    try:
        locate("tabpfn-v1")
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_weights")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TABLES)
def test_fit_ends_with_normalised_scores_per_domain(
    name: str,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    facts = {t["name"]: t for t in json.loads((real_data / "index.json").read_text())}[name]
    kinds = dict.fromkeys(facts["categorical"], "categorical")
    status = main(
        [
            "fit",
            f"--data.table.source={real_data / facts['file']}",
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
        ]
    )
    assert status == 0
    output = capsys.readouterr().out
    report = json.loads((tmp_path / "runs/fit/version_0/report.json").read_text())
    domains = {row["domain"] for row in report["rows"]}
    assert domains == {"real", facts["domain"]}
    for row in report["rows"]:
        assert row["zero_shot"]["value"] is not None
        assert row["normalized"]["value"] is not None
    auc = next(r for r in report["rows"] if r["metric"] == "roc_auc")
    assert auc["zero_shot"]["value"] > 0.6  # the weights are the real ones
    assert "normalised" in output
