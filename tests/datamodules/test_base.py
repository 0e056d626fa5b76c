"""A datamodule from outside the package: what the base class gives it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import (
    BestWeights,
    DomainMetrics,
    PredictionWriter,
    RatioSchedule,
    RunReport,
    ZeroShotBaseline,
)
from lit_causalmix.datamodules import EpisodeDataModule, EpisodeLoader, PriorDataModule, PriorStage
from lit_causalmix.datamodules.preflight import ChecksRun, TakesTables, preflight
from lit_causalmix.datamodules.prior import EpisodeList
from lit_causalmix.datamodules.stream import place_of
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.prior import PriorSettings, draw_episode
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits
from lit_causalmix.training import Linear
from lit_causalmix.training.task import CausalMixTask

SMALL = PriorSettings(context_rows=(16, 32), columns=(2, 3), query_rows=16)


def episode(stream: str, index: int = 0) -> Episode:
    """A task of the prior whose rows count as real ones."""
    drawn = draw_episode(SMALL, seed=0, epoch=0, index=index, stream=stream)
    real = torch.full_like(drawn.query_origin, RowOrigin.REAL)
    return replace(drawn, query_origin=real, query_row=torch.arange(drawn.n_query))


class Steps:
    """The shortest training stream there is."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: int) -> Episode:
        return episode("train", place_of(key)[1])


class Toy(EpisodeDataModule[Episode]):
    """Tasks of the prior, one to score; it notes the steps of its preparation."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    is_classification = True
    table_names = ("toy",)
    domains = ("toys",)

    def read(self) -> None:
        self.steps.append("read")

    def make(self) -> None:
        self.steps.append("make")

    def build(self, stage: str | None) -> None:
        self.steps.append(f"build {stage}")
        self.train_stream = Steps()

    def evaluation_stream(self, stage: str) -> EpisodeList:
        return EpisodeList([episode(stage)])


def trainer(folder: Path, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    defaults = {"accelerator": "cpu", "max_epochs": 1, "default_root_dir": folder, **quiet}
    return pl.Trainer(**defaults | settings, callbacks=callbacks)


def task() -> CausalMixTask:
    return CausalMixTask(Tab2D(dim=8, n_layers=1))


def test_all_steps_of_preparation_in_order_and_no_trainer_needed() -> None:
    data = Toy()
    data.prepare_data()
    data.setup()
    assert data.steps == ["read", "make", "read", "make", "build None"]
    assert data.ranks == (1, 0)
    loader = data.train_dataloader()
    assert isinstance(loader, EpisodeLoader)
    assert len(list(loader)) == len(loader) == data.epoch_length == 3
    assert len(list(data.val_dataloader())) == len(list(data.test_dataloader())) == 1


def test_a_subclass_without_its_parts_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        EpisodeDataModule()  # type: ignore[abstract]


def test_a_datamodule_from_outside_is_fine_tuned_scored_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Toy()
    callbacks = [ZeroShotBaseline(), DomainMetrics(), RunReport(), BestWeights()]
    runner, module = trainer(tmp_path, callbacks), task()
    runner.fit(module, datamodule=data)
    runner.test(module, datamodule=data, verbose=False)
    said = capsys.readouterr().out
    assert "toy: fine-tuning, test rows" in said
    assert "toys" not in said  # one table, whose domain has the scores of all real rows
    assert "fine-tuning" in said
    assert (tmp_path / "report.json").is_file()


def test_the_fingerprint_follows_what_is_scored() -> None:
    val, test = (Toy().evaluation_fingerprint(stage) for stage in ("val", "test"))
    assert val == Toy().evaluation_fingerprint("val")
    assert val != test


def test_what_it_does_not_have_is_said(tmp_path: Path) -> None:
    for schedule in (Toy().schedule_ratio, Toy().schedule_confidence):
        with pytest.raises(ConfigurationError, match="Toy has no synthetic rows"):
            schedule(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="RatioSchedule has no synthetic rows"):
        trainer(tmp_path, [RatioSchedule(Linear(0.1, 0.5))]).fit(task(), datamodule=Toy())
    pretraining = PriorDataModule([PriorStage(SMALL)], val_tasks=1, val_tables=[])
    pretraining.setup()
    with pytest.raises(ConfigurationError, match="pre-training has no test rows"):
        pretraining.test_dataloader()

    class Predicting(Toy):
        def predict_dataloader(self) -> Any:
            return self.val_dataloader()

    writer = PredictionWriter(str(tmp_path / "p.csv"))
    with pytest.raises(ConfigurationError, match="a datamodule of one table"):
        trainer(tmp_path, [writer]).predict(task(), datamodule=Predicting())


class Refusing(pl.Callback):
    """Takes part in the preflight by having its method, no more."""

    def check_run(self, trainer: pl.Trainer) -> None:
        raise ConfigurationError(f"not in {trainer.max_epochs} epochs")


def test_a_callback_refuses_a_fit_before_anything_slow_and_nothing_else(tmp_path: Path) -> None:
    assert isinstance(Refusing(), ChecksRun)
    data = Toy()
    with pytest.raises(ConfigurationError, match="not in 1 epochs"):
        trainer(tmp_path, [Refusing()]).fit(task(), datamodule=data)
    assert data.steps == ["read"]
    trainer(tmp_path, [Refusing()]).validate(task(), datamodule=Toy())


def test_the_module_refuses_a_table_and_hands_over_its_backbone(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    class Narrow(CausalMixTask):
        def check_table(self, train: Any, encoder: Any, episode_context: int) -> None:
            raise LimitError(f"{len(encoder.columns)} columns are too many")

    splits = load_splits(TableSpec(frame, target="target"), SplitSpec())
    tables = [(splits.train, Encoder.fit(splits.train))]
    module = Narrow(Tab2D(dim=8, n_layers=1))
    assert isinstance(module, TakesTables)
    preflight(None, tables)
    runner = trainer(tmp_path, [])
    preflight(runner, tables)  # there is no module yet
    runner.strategy.connect(module)
    with pytest.raises(LimitError, match="4 columns are too many"):
        preflight(runner, tables)


def test_padding_and_ranks_come_from_the_trainer(frame: pd.DataFrame) -> None:
    class Ranked:
        world_size, global_rank = 3, 1

    from lit_causalmix.datamodules import CausalMixDataModule

    data = CausalMixDataModule(TableSpec(frame, target="target"), synthetic_ratio=0.0)
    data.setup()
    alone = data.evaluation_fingerprint("val"), len(data.val_dataloader())
    data.trainer = Ranked()  # type: ignore[assignment]
    assert data.ranks == (3, 1)
    assert data.evaluation_fingerprint("val") == alone[0]
    assert alone[1] == 1
    assert len(data.val_dataloader()) == 3
    rows = torch.cat([e.query_row for e in data.val_dataloader()]).numpy()
    assert np.count_nonzero(rows >= 0) == len(data.splits.val)
