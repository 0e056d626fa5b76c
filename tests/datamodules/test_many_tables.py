"""One model from several tables."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_causalmix.backbones import Tab2D
from lit_causalmix.callbacks import BestWeights, DomainMetrics, ZeroShotBaseline
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import CausalMixDataModule, ManyTablesDataModule
from lit_causalmix.datamodules.stream import episode_key
from lit_causalmix.episode import PADDING_ROW
from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.generators import JitterGenerator
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training import CausalMixTask, Gate, GradientProjection, RowAdmission
from lit_causalmix.training.scoring import stage_predictions

THREE = [
    TableSpec("sklearn:wine", domain="food"),
    TableSpec("sklearn:iris", domain="plants"),
    TableSpec("sklearn:breast_cancer", domain="medicine"),
]


def many(tables: list[TableSpec] = THREE, **settings: Any) -> ManyTablesDataModule:
    defaults: dict[str, Any] = {"synthetic_ratio": 0.0, "episodes_per_epoch": 4, "progress": False}
    return ManyTablesDataModule(tables, **defaults | settings)


def ready(module: ManyTablesDataModule) -> ManyTablesDataModule:
    module.prepare_data()
    module.setup()
    return module


def fitted(
    folder: Path,
    data: ManyTablesDataModule,
    *,
    task: Literal["classification", "regression"] = "classification",
    ckpt: Path | None = None,
    gate: Gate | None = None,
    **settings: Any,
) -> tuple[pl.Trainer, CausalMixTask]:
    optimizer = partial(torch.optim.AdamW, lr=1e-2)
    module = CausalMixTask(Tab2D(16, n_layers=1, task=task), optimizer, gate=gate)
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[
            ZeroShotBaseline(),
            DomainMetrics(),
            BestWeights(),
            ModelCheckpoint(folder, "step{step}", every_n_train_steps=3, save_top_k=-1),
        ],
        **{"max_epochs": 2} | settings,
    )
    trainer.fit(module, datamodule=data, ckpt_path=ckpt)
    return trainer, module


def test_tables_are_drawn_in_proportion_to_their_weights() -> None:
    stream = ready(many(weights=[6.0, 3.0, 1.0])).train_stream
    drawn = [stream.table_at(epoch, index) for epoch in range(20) for index in range(50)]
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    assert np.abs(shares - [0.6, 0.3, 0.1]).max() < 0.05


def test_an_episode_is_a_function_of_seed_epoch_and_index_and_of_one_table() -> None:
    one, other = ready(many()).train_stream, ready(many()).train_stream
    alone = [CausalMixDataModule(t, synthetic_ratio=0.0, episodes_per_epoch=4) for t in THREE]
    for data in alone:
        data.setup()
    seen = set()
    for index in reversed(range(8)):
        key = episode_key(1, index)
        episode, again = one[key], other[key]
        table = one.table_at(1, index)
        seen.add(table)
        by_itself = alone[table].train_stream[key]
        assert episode.table_id == episode.domain_id == table
        assert episode.n_classes == (3, 3, 2)[table]
        assert torch.equal(episode.x_query, again.x_query)
        assert torch.equal(episode.x_context, by_itself.x_context)
    assert len(seen) > 1
    assert any(
        not torch.equal(one[episode_key(0, i)].y_query, one[episode_key(1, i)].y_query)
        for i in range(4)
    )


def test_every_rank_scores_each_table_and_no_row_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CausalMixDataModule, "ranks", (2, 0))
    module = ready(many(max_query_rows=16))
    stream = module.evaluation_stream("val")
    rows: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for rank in (0, 1):
        tables = set()
        for index in range(rank, len(stream), 2):
            episode = stream[index]
            tables.add(episode.table_id)
            rows[episode.table_id] += [r for r in episode.query_row.tolist() if r != PADDING_ROW]
        assert tables == {0, 1, 2}
    for table, member in enumerate(module.members):
        assert sorted(rows[table]) == sorted(member.splits.val.rows.tolist())
    with pytest.raises(IndexError):
        stream[len(stream)]


def test_scores_are_means_over_the_tables_of_a_domain(tmp_path: Path) -> None:
    tables = [*THREE[:2], TableSpec("sklearn:breast_cancer", domain="food")]
    data = many(tables)
    trainer, task = fitted(tmp_path, data, max_epochs=1)
    trainer.test(task, datamodule=data, verbose=False)
    scores = task.scoreboard.sheet("test", rows=task.rows("test")).scores
    accuracy = []
    for table in range(3):
        right = [
            (p.argmax(1) == e.y_query).float()
            for p, e in stage_predictions(trainer, task, "test")
            if e.table_id == table
        ]
        accuracy.append(float(torch.cat(right).mean()))
    assert scores["food/accuracy"].value == pytest.approx((accuracy[0] + accuracy[2]) / 2)
    assert scores["plants/accuracy"].value == pytest.approx(accuracy[1])
    assert scores["real/accuracy"].value == pytest.approx(np.mean(accuracy))


@pytest.mark.parametrize("gate", [RowAdmission(), GradientProjection()])
def test_what_a_gate_lets_pass_is_told_per_domain(tmp_path: Path, gate: Gate) -> None:
    data = many(generator=JitterGenerator(), synthetic_ratio=0.5, cache_dir=str(tmp_path / "cache"))
    trainer, task = fitted(tmp_path, data, max_epochs=2, gate=gate)
    told = {}
    for entry in task.scoreboard.history[1:]:
        told |= entry.passed
    assert "synthetic" in told
    assert set(told) > {"synthetic"}
    assert set(told) <= {"synthetic", *data.domains}
    assert all(0.0 <= share <= 1.0 for share in told.values())
    logged = {name for name in trainer.callback_metrics if name.endswith("synthetic_passed")}
    assert logged >= {"train/synthetic_passed"}
    assert len(logged) > 1


def test_errors_of_numbers_do_not_depend_on_the_units_of_a_table(
    make_frame: Any, tmp_path: Path
) -> None:
    def score(factor: float, tmp: Path) -> float:
        tables = []
        for seed, scale in ((0, 1.0), (1, factor)):
            frame = make_frame(80, seed=seed, regression=True)
            frame["target"] *= scale
            tables.append(TableSpec(frame, target="target", name=f"t{seed}"))
        trainer, task = fitted(tmp, many(tables), task="regression", max_epochs=1)
        trainer.validate(task, datamodule=trainer.datamodule, verbose=False)  # type: ignore[attr-defined]
        return task.scoreboard.sheet("val", rows=task.rows("val")).scores["real/rmse"].value

    once, again = score(1.0, tmp_path), score(4096.0, tmp_path)
    assert once == pytest.approx(again, rel=1e-6)
    assert 0.3 < once < 3


def test_a_fit_resumes_to_the_same_bits_and_refuses_other_tables(tmp_path: Path) -> None:
    _, whole = fitted(tmp_path / "whole", many())
    checkpoint = tmp_path / "whole" / "stepstep=3.ckpt"
    _, resumed = fitted(tmp_path / "resumed", many(), ckpt=checkpoint)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    for tables, text in ((THREE[:2], "of 3 tables, here are 2"), (THREE[::-1], "another fit")):
        with pytest.raises(ConfigurationError, match=text):
            fitted(tmp_path / "other", many(list(tables)), ckpt=checkpoint)


def test_generators_see_the_training_rows_of_their_table_alone(
    make_frame: Any, tmp_path: Path
) -> None:
    def drawn(change: bool) -> list[torch.Tensor]:
        tables = []
        for seed in (0, 1):
            frame = make_frame(80, seed=seed)
            frame["part"] = ["train"] * 50 + ["val"] * 15 + ["test"] * 15
            if change:
                frame.loc[65:, "age"] += 1000
            tables.append(TableSpec(frame, target="target", name=f"t{seed}", split_column="part"))
        module = ready(many(tables, synthetic_ratio=0.5, cache_dir=str(tmp_path / str(change))))
        return [module.train_stream[episode_key(0, i)].x_context for i in range(6)]

    plain, changed = drawn(False), drawn(True)
    assert all(
        torch.equal(a.nan_to_num(9), b.nan_to_num(9)) for a, b in zip(plain, changed, strict=True)
    )


@pytest.mark.parametrize(
    ("tables", "settings", "error", "text"),
    [
        ([], {}, ConfigurationError, "at least one table"),
        (THREE, {"weights": [1.0, 2.0]}, ConfigurationError, "one number > 0 for each of the 3"),
        (THREE, {"weights": [1.0, 0.0, 1.0]}, ConfigurationError, r"got \[1.0, 0.0, 1.0\]"),
        (THREE, {"synthetic_ratio": 2.0}, ConfigurationError, "ratio"),
        ([THREE[0], THREE[0]], {}, TableError, "different names, got wine, wine"),
        ([THREE[0], TableSpec("sklearn:diabetes")], {}, TableError, "wine have classes, diabetes"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tables: list[TableSpec], settings: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        many(tables, **settings).read()


def test_a_small_table_has_smaller_episodes() -> None:
    module = ready(many(episode_rows=200, split=SplitSpec(max_train_rows=250)))
    sizes = {
        m.table_names[0]: m.train_stream.n_context + m.train_stream.n_query for m in module.members
    }
    assert sizes["breast_cancer"] == 200
    assert sizes["iris"] == len(module.members[1].splits.train)


def test_the_command_line_makes_one_model_that_another_table_starts_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_frame: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    few = "--trainer.max_epochs=1 --data.init_args.episodes_per_epoch=2"
    assert main(f"fit --config pretrain/many-tables {few}".split()) == 0
    said = capsys.readouterr().out
    assert "breast_cancer, wine, iris: 3 tables" in said
    weights = tmp_path / "runs" / "many-tables" / "version_0" / "weights"
    assert (weights / "model.safetensors").is_file()
    make_frame(80).to_csv("mine.csv", index=False)
    table = "--data.table.source=mine.csv --data.table.target=target --data.synthetic_ratio=0"
    few = "--trainer.max_epochs=1 --data.episodes_per_epoch=1"
    start = "--model.backbone=lit_causalmix.backbones.AxialTransformer"
    start = f"{start} --model.backbone.init_args.weights={weights}"
    assert main(f"fit {table} {few} {start}".split()) == 0
    assert "Model: " in capsys.readouterr().out
    assert main(["predict", "--config", "pretrain/many-tables"]) != 0
    assert "predictions are of one table" in capsys.readouterr().err


def test_tables_with_test_rows_are_tested_without_the_others(
    frame: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = ["train", "train", "val", "val"]
    untested = frame.assign(part=np.resize(parts, len(frame)))
    tables = [
        TableSpec(untested, target="target", name="untested", domain="a", split_column="part"),
        TableSpec(frame, target="target", name="tested", domain="b"),
    ]
    data = many(tables)
    trainer, task = fitted(tmp_path, data, max_epochs=1)
    assert data.has_test_rows
    trainer.test(task, datamodule=data, verbose=False)
    assert "No test rows: untested; the test is of the other tables" in caplog.text
    scores = task.scoreboard.sheet("test", rows=task.rows("test")).scores
    assert {key.split("/")[0] for key in scores} == {"real", "b"}
    assert data.context_of("test").startswith("untested: no test rows; tested: ")
    alone = many(tables[:1])
    alone.setup()
    assert not alone.has_test_rows
    with pytest.raises(ConfigurationError, match="the table has no test rows"):
        alone.test_dataloader()
