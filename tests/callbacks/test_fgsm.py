import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.callbacks import FGSM, DomainMetrics, RunReport, ZeroShotBaseline
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import CausalMixDataModule, ManyTablesDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def scored(
    frame: pd.DataFrame, folder: Path, *callbacks: pl.Callback, task: CausalMixTask | None = None
) -> dict[str, float]:
    """Tests weights that differ from zero-shot, and returns what is logged."""
    torch.manual_seed(0)
    task = task or CausalMixTask(Nano())

    class Nudge(pl.Callback):
        def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            with torch.no_grad():
                for parameter in pl_module.parameters():
                    parameter.mul_(1.03)

    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*callbacks, Nudge()],
    )
    module = CausalMixDataModule(
        TableSpec(frame, target="target", name="mixed", domain="retail"),
        synthetic_ratio=0.0,
        max_query_rows=13,
    )
    (scores,) = trainer.test(task, datamodule=module, verbose=False)
    return dict(scores)


def test_epsilon_zero_is_the_clean_score_exactly(frame: pd.DataFrame, tmp_path: Path) -> None:
    task = CausalMixTask(Nano())
    callbacks = [ZeroShotBaseline(), DomainMetrics(), FGSM(epsilons=[0.0])]
    scores = scored(frame, tmp_path, *callbacks, task=task)
    clean = {k: v for k, v in scores.items() if k.startswith("test/real/")}
    assert len(clean) == 12
    for name, value in clean.items():
        assert scores[name.replace("real", "perturbed_0")] == value, name
    sheets = task.scoreboard.sheets
    for key, score in sheets["perturbed"].zero_shot.items():
        assert score == sheets["test"].zero_shot[key.replace("perturbed_0", "real")]


@pytest.mark.parametrize("regression", [False, True])
def test_a_larger_attack_hurts_more_and_each_model_meets_its_own(
    make_frame: Any, tmp_path: Path, regression: bool
) -> None:
    frame = make_frame(300, regression=regression)
    task = CausalMixTask(Nano())
    scores = scored(frame, tmp_path, DomainMetrics(), FGSM(epsilons=(0.1, 0.4)), task=task)
    loss = "rmse" if regression else "log_loss"
    assert (
        scores[f"test/real/{loss}"]
        < scores[f"test/perturbed_0.1/{loss}"]
        < scores[f"test/perturbed_0.4/{loss}"]
    )
    base = task.scoreboard.sheets["perturbed"].zero_shot[f"perturbed_0.4/{loss}"].value
    expected = -(scores[f"test/perturbed_0.4/{loss}"] / base - 1) * 100
    assert scores[f"test/perturbed_0.4/{loss}_normalized"] == pytest.approx(expected, rel=1e-4)
    # The zero-shot weights' own attack, not the one on the tested weights.
    alone = FGSM(epsilons=(0.4,))
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        callbacks=[alone],
    )
    module = CausalMixDataModule(
        TableSpec(frame, target="target"), synthetic_ratio=0.0, max_query_rows=13
    )
    untouched = CausalMixTask(Nano())
    trainer.test(untouched, datamodule=module, verbose=False)
    sheet = untouched.scoreboard.sheets["perturbed"]
    assert sheet.scores[f"perturbed_0.4/{loss}"].value == base


def test_a_table_without_numbers_is_said_and_left_out(
    frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scores = scored(frame[["colour", "member", "target"]], tmp_path, DomainMetrics(), FGSM())
    assert "no numerical column" in caplog.text
    assert not [name for name in scores if "perturbed" in name]


def test_of_several_tables_one_without_numbers_is_left_out_alone(
    frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = {"words": frame[["colour", "member", "target"]], "mixed": frame}
    module = ManyTablesDataModule(
        [TableSpec(table, target="target", name=name) for name, table in tables.items()],
        synthetic_ratio=0.0,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        callbacks=[FGSM(epsilons=(0.4,))],
    )
    task = CausalMixTask(Nano())
    trainer.test(task, datamodule=module, verbose=False)
    assert "FGSM: words has no numerical column" in caplog.text
    assert task.scoreboard.sheets["perturbed"].scores["perturbed_0.4/log_loss"].defined


@pytest.mark.parametrize("epsilons", [[], [-0.1], [0.1, 0.1], [float("nan")]])
def test_epsilons_that_make_no_sense_are_refused(epsilons: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="one or more different finite epsilons >= 0"):
        FGSM(epsilons)


def test_a_fit_reports_the_perturbed_rows(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    line = ["fit", "--config", str(TINY), f"--data.table.source={csv}", "--data.cache_dir=cache"]
    line += ["--data.table.target=target", "--data.synthetic_ratio=0"]
    line += ["--trainer.callbacks+=FGSM", "--trainer.callbacks.epsilons=[0.1,0.3]"]
    assert main(line) == 0
    assert "perturbed_0.3 " in capsys.readouterr().out
    (path,) = Path("runs").rglob("report.json")
    rows = json.loads(path.read_text())["rows"]
    domains = [row["domain"] for row in rows if row["metric"] == "roc_auc"]
    assert domains == ["real", "unlabelled", "perturbed_0.1", "perturbed_0.3"]
    assert all(row["zero_shot"]["value"] is not None for row in rows)
    assert main([*line[:-1], "--trainer.callbacks.epsilons=[-1]"]) == 2
    assert "got [-1.0]" in capsys.readouterr().err


def test_runs_report_without_the_callback_has_no_perturbed_rows(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    scored(frame, tmp_path, ZeroShotBaseline(), DomainMetrics(), RunReport(show=False))
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert {row["domain"] for row in rows} == {"real", "retail"}
