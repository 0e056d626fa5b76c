"""Quality of the synthetic rows, logged when a fit starts."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lit_causalmix.callbacks import GeneratorQuality
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.base import Generator
from lit_causalmix.tables import SplitSpec, Table, TableSpec

TINY = Path(__file__).resolve().parents[1] / "conf" / "tiny.yaml"
Floats = NDArray[np.float64]
FrameMaker = Callable[..., pd.DataFrame]


class Rows(Generator):
    """Draws training rows, unless at fault: "far" ones, of one "class", or one "row" alone."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.values = np.empty((0, 0))

    def settings(self) -> dict[str, Any]:
        return {"fault": self.fault}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        self.values = train.values

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        rows: Floats = self.values[rng.integers(0, len(self.values), n)]
        if self.fault == "far":
            rows[:, :-1] = np.where(np.arange(rows.shape[1] - 1) < 2, 1e6, np.nan)
        elif self.fault == "class":
            rows[:, -1] = 0
        elif self.fault == "row":
            rows[:] = self.values[0]
            rows[:, -1] = rng.integers(0, 2, n)
        return rows

    def save(self, folder: Path) -> None:
        np.save(folder / "rows.npy", self.values)

    def load(self, folder: Path, train: Table) -> None:
        self.values = train.values


def start(callback: GeneratorQuality, data: CausalMixDataModule) -> pl.Trainer:
    """Prepares the data and lets the callback do what it does when a fit starts."""
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    trainer.datamodule = data  # type: ignore[attr-defined]
    data.prepare_data()
    data.setup()
    callback.on_fit_start(trainer, pl.LightningModule())
    return trainer


def datamodule(csv: Path, generator: Generator | None, **settings: Any) -> CausalMixDataModule:
    return CausalMixDataModule(
        TableSpec(str(csv), target="target", domain="retail"),
        SplitSpec(),
        generator,
        cache_dir=str(csv.parent / "cache"),
        progress=False,
        **settings,
    )


def test_numbers_of_training_rows_given_back(csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = GeneratorQuality()
    trainer = start(callback, datamodule(csv, Rows()))
    assert callback.report_content(trainer) == {"quality": callback.numbers}
    found = {name.removeprefix("retail/"): value for name, value in callback.numbers.items()}
    assert set(callback.numbers) == {f"retail/{name}" for name in found}
    assert found["column_shapes"] > 0.9
    assert found["authenticity"] == 0
    assert found["coverage"] > 0.8
    assert found["copies"] > 0.1
    assert found["held_out_copies"] == 0
    assert found["two_sample_auc"] == pytest.approx(0.5, abs=0.15)
    assert found["tstr"] == pytest.approx(found["trtr"], abs=0.15)
    assert found["global_utility"] > 0.8
    assert found["faed"] < found["faed_held_out"]
    assert found["rfis"] > 1
    assert "plainly broken" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("far", "its rows do not look real (two-sample ROC-AUC 1.000, column shapes 0.3"),
        ("class", "it makes no row of class 'good'"),
        ("row", "its rows cover 1.2% of the training rows"),
    ],
)
def test_a_broken_generator_is_told_in_one_line(
    fault: str,
    words: str,
    make_frame: FrameMaker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    csv = tmp_path / "mixed.csv"
    make_frame(400).to_csv(csv, index=False)
    start(GeneratorQuality(), datamodule(csv, Rows(fault)))
    told = [r.getMessage() for r in caplog.records if "plainly broken" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("Rows is plainly broken on mixed: ")
    assert words in told[0]
    assert "\n" not in told[0]


def test_without_synthetic_rows_nothing_is_logged_or_said(
    csv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GeneratorQuality()
    with caplog.at_level(logging.INFO):
        start(callback, datamodule(csv, Rows("far"), synthetic_ratio=0.0))
    assert callback.numbers == {}
    assert not [record for record in caplog.records if record.name.startswith("lit_causalmix")]


def test_test_rows_play_no_part(csv: Path) -> None:
    """Other test rows, same bits."""
    numbers = []
    for shift in (0.0, 1e5):
        data, callback = datamodule(csv, Rows()), GeneratorQuality()
        data.prepare_data()
        data.splits.test.values[:, 0] += shift
        start(callback, data)
        numbers.append(callback.numbers)
    assert numbers[0] == numbers[1]


def test_only_the_rows_of_a_pool_are_measured(csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = GeneratorQuality(measures=["shapes", "precision_recall"])
    data = datamodule(csv, Rows(), synthetic_size=0.2)
    start(callback, data)
    assert set(callback.numbers) > {"retail/column_shapes", "retail/coverage"}
    assert "retail/two_sample_auc" not in callback.numbers
    caplog.clear()
    single = GeneratorQuality()
    start(single, datamodule(csv, Rows(), synthetic_size=0.001))
    assert single.numbers == {}
    assert "raise data.synthetic_size" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measures": ["shapes", "fid"]}, r"no quality measure 'fid': choose from shapes, trends"),
        ({"n_rows": 1}, r"n_rows must be null or >= 2, got 1"),
        ({"seed": -1}, r"seed must be an integer >= 0, got -1"),
    ],
)
def test_unusable_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GeneratorQuality(**settings)


def test_a_fit_from_the_command_line_logs_the_numbers_once_before_training(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = [f"--data.table.source={csv}", "--data.table.target=target"]
    domain = "--data.table.domain=retail"
    fit = ["fit", "--config", str(TINY), "--data.cache_dir=cache", "--trainer.max_epochs=1"]
    fit += [*data, domain]
    assert main(fit) == 0
    assert main([*fit, "--trainer.callbacks+=GeneratorQuality"]) == 0
    plain, measured = (
        pd.read_csv(Path("runs") / "fit" / f"version_{v}" / "metrics.csv") for v in (0, 1)
    )
    quality = [name for name in measured if name.startswith("quality/retail/")]
    assert {"column_shapes", "two_sample_auc", "tstr"} <= {n.split("/")[-1] for n in quality}
    assert (measured[quality].notna().sum() == 1).all()
    assert measured.loc[measured[quality[0]].notna(), "step"].tolist() == [0]
    steers_nothing = plain.dropna(subset=["val/loss"])["val/loss"]
    assert steers_nothing.tolist() == measured.dropna(subset=["val/loss"])["val/loss"].tolist()


_TWO_RANKS = """
import sys
import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger
from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import DomainMetrics, GeneratorQuality
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

torch.set_num_threads(1)
quality = GeneratorQuality()
trainer = pl.Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, default_root_dir="run",
    logger=CSVLogger("run"), enable_progress_bar=False, enable_model_summary=False,
    num_sanity_val_steps=0, callbacks=[DomainMetrics(), quality],
)
generator = SCMGenerator(n_dags=1, n_resamples=1, alphas=(0.05,), mechanism="linear")
data = CausalMixDataModule(
    TableSpec(sys.argv[1], target="target", domain="retail"), generator=generator,
    episodes_per_epoch=2, cache_dir="cache", progress=False,
)
trainer.fit(CausalMixTask(Tab2D(dim=16, n_layers=1)), datamodule=data)
assert bool(quality.numbers) == trainer.is_global_zero
"""


@pytest.mark.slow
def test_of_two_ranks_one_measures(csv: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(_TWO_RANKS)
    subprocess.run(
        [sys.executable, str(script), str(csv)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=180,
        check=True,
    )
    (logged,) = tmp_path.glob("run/**/metrics.csv")
    assert pd.read_csv(logged)["quality/retail/two_sample_auc"].notna().sum() == 1


def test_unknown_measure_on_the_command_line(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = [f"--data.table.source={csv}", "--data.table.target=target"]
    extra = ["--trainer.callbacks+=GeneratorQuality", "--trainer.callbacks.measures=[fid]"]
    assert main(["fit", "--config", str(TINY), *data, *extra]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "no quality measure 'fid'" in error[0]
