"""The context at test and prediction: training and validation rows, and nothing else."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.datamodules.context import final_context, selecting_context
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LimitError
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits


def datamodule(frame: pd.DataFrame, **settings: Any) -> CausalMixDataModule:
    module = CausalMixDataModule(
        TableSpec(frame, target="target"), synthetic_ratio=0.0, progress=False, **settings
    )
    module.prepare_data()
    module.setup()
    return module


def contexts(episodes: Any) -> list[torch.Tensor]:
    return [torch.column_stack([e.x_context, e.y_context]) for e in episodes]


def same(one: Episode, other: Episode) -> bool:
    left, right = vars(one), vars(other)
    return all(
        torch.equal(value.nan_to_num(99), right[name].nan_to_num(99))
        for name, value in left.items()
        if isinstance(value, torch.Tensor)
    )


@pytest.mark.parametrize("regression", [False, True])
def test_test_and_prediction_have_the_validation_rows_in_their_context(
    make_frame: Any, regression: bool
) -> None:
    frame = make_frame(regression=regression)
    module = datamodule(frame, predict_source=frame.head(5))
    splits, encoder = module.splits, module.encoder
    train, both = (
        torch.column_stack(
            [
                torch.from_numpy(encoder.features(values)),
                torch.from_numpy(encoder.targets(values)),
            ]
        )
        for values in (
            splits.train.values,
            np.concatenate([splits.train.values, splits.val.values]),
        )
    )
    for loader, expected in (
        (module.val_dataloader(), train),
        (module.test_dataloader(), both),
        (module.predict_dataloader(), both),
    ):
        for found in contexts(loader):
            torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_the_old_rule_has_training_rows_alone(frame: pd.DataFrame) -> None:
    module = datamodule(frame, context="train")
    assert all(len(e.x_context) == len(module.splits.train) for e in module.test_dataloader())
    assert module.context_of("test") == f"{len(module.splits.train)} training rows"
    # The fingerprint of results that were measured before there was another rule.
    both = datamodule(frame)
    assert both.evaluation_fingerprint("val") == module.evaluation_fingerprint("val")
    assert both.evaluation_fingerprint("test") != module.evaluation_fingerprint("test")


def test_without_validation_rows_both_rules_are_one(frame: pd.DataFrame) -> None:
    split = SplitSpec(val_fraction=0.0)
    both, train = datamodule(frame, split=split), datamodule(frame, split=split, context="train")
    assert both.evaluation_fingerprint("test") == train.evaluation_fingerprint("test")
    assert both.context_of("test") == f"{len(both.splits.train)} training rows"


def test_changed_test_rows_change_no_bit_of_the_context(frame: pd.DataFrame) -> None:
    original = datamodule(frame)
    changed = frame.copy()
    rows = original.splits.test.rows
    changed.loc[rows, "age"] = np.arange(len(rows)) + 500.5
    changed.loc[rows, "income"] = -1.0e6 - np.arange(len(rows))
    other = datamodule(changed)
    assert not np.array_equal(original.splits.test.values, other.splits.test.values)
    pairs = zip(original.test_dataloader(), other.test_dataloader(), strict=True)
    for one, two in pairs:
        assert torch.equal(one.x_context.nan_to_num(99), two.x_context.nan_to_num(99))
        assert torch.equal(one.y_context, two.y_context)


def test_changed_validation_rows_change_no_bit_of_training_or_encoding(
    frame: pd.DataFrame,
) -> None:
    original = datamodule(frame)
    changed = frame.copy()
    rows = original.splits.val.rows
    changed.loc[rows, "age"] = np.arange(len(rows)) + 500.5
    changed.loc[rows, "income"] = -1.0e6 - np.arange(len(rows))
    changed.loc[rows, "colour"] = "violet"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="column .* unseen in training")
        other = datamodule(changed)
    assert np.array_equal(original.splits.val.rows, other.splits.val.rows)
    for index in range(3):
        assert same(original.train_stream.episode(0, index), other.train_stream.episode(0, index))
    n_train = len(original.splits.train)
    one, two = next(iter(original.test_dataloader())), next(iter(other.test_dataloader()))
    assert torch.equal(one.x_query.nan_to_num(99), two.x_query.nan_to_num(99))
    assert torch.equal(
        one.x_context[:n_train].nan_to_num(99), two.x_context[:n_train].nan_to_num(99)
    )
    assert not torch.equal(
        one.x_context[n_train:].nan_to_num(99), two.x_context[n_train:].nan_to_num(99)
    )


def parts(frame: pd.DataFrame) -> tuple[Table, Table]:
    splits = load_splits(TableSpec(frame, target="target"), SplitSpec(val_fraction=0.5))
    return splits.train, splits.val


def _limited(train: Table, val: Table, limit: int, seed: int) -> Table:
    with pytest.warns(UserWarning, match="validation rows"):
        return final_context(train, val, "both", limit=limit, seed=seed)


@pytest.mark.parametrize("regression", [False, True])
def test_too_many_rows_leave_out_validation_rows_stratified(
    make_frame: Any, regression: bool
) -> None:
    train, val = parts(make_frame(400, regression=regression))
    limit = len(train) + len(val) // 2
    with pytest.warns(UserWarning, match=rf"{len(val) // 2} of {len(val)} validation rows"):
        context = final_context(train, val, "both", limit=limit, seed=0)
    assert len(context) == limit
    assert np.array_equal(context.values[: len(train)], train.values, equal_nan=True)
    kept = context.rows[len(train) :]
    assert set(kept) < set(val.rows)
    assert (np.diff(kept) > 0).all()
    target = context.target[len(train) :]
    spread = val.target.std()
    assert target.mean() == pytest.approx(val.target.mean(), abs=0.15 * spread)
    again, other, fewer = (
        _limited(train, val, most, seed) for most, seed in ((limit, 0), (limit, 1), (limit - 9, 0))
    )
    assert np.array_equal(again.rows, context.rows)
    assert not np.array_equal(other.rows, context.rows)
    assert set(fewer.rows) < set(context.rows)


def test_a_limit_that_training_rows_fill_leaves_no_room(frame: pd.DataFrame) -> None:
    train, val = parts(frame)
    with pytest.warns(UserWarning, match=rf"{len(train)} training and 0 of {len(val)} validation"):
        context = final_context(train, val, "both", limit=len(train), seed=0)
    assert np.array_equal(context.rows, train.rows)


def test_the_limit_is_that_of_the_trainers_model(
    frame: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import lightning.pytorch as pl

    from lit_causalmix.backbones import Nano
    from lit_causalmix.callbacks import DomainMetrics, RunReport, ZeroShotBaseline
    from lit_causalmix.training.task import CausalMixTask

    data = CausalMixDataModule(TableSpec(frame, target="target"), synthetic_ratio=0.0)
    task = CausalMixTask(Nano(max_context_rows=100, n_ensemble=1))
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        callbacks=[ZeroShotBaseline(), DomainMetrics(), RunReport()],
    )
    with pytest.warns(UserWarning, match="4 of 24 validation rows"):
        trainer.test(task, datamodule=data, verbose=False)
    assert "Context (test): 96 training and 4 validation rows" in capsys.readouterr().out


@pytest.mark.parametrize("regression", [False, True])
def test_too_many_training_rows_are_cut_stratified_by_the_seed(
    make_frame: Any, regression: bool
) -> None:
    train, _ = parts(make_frame(400, regression=regression))
    told = f"at most 50 context rows, the training split has {len(train)}"
    with pytest.warns(UserWarning, match=told):
        one, other = (selecting_context(train, limit=50, seed=seed) for seed in (0, 1))
    assert len(one) == 50
    assert set(one.rows) < set(train.rows)
    assert not np.array_equal(one.rows, other.rows)
    spread = train.target.std()
    assert one.target.mean() == pytest.approx(train.target.mean(), abs=0.15 * spread)
    assert selecting_context(train, limit=len(train), seed=0) is train


def test_a_rare_class_keeps_a_row_in_a_context_that_is_cut(frame: pd.DataFrame) -> None:
    rare = frame.assign(target=np.where(np.arange(len(frame)) % 40 == 0, "rare", frame.target))
    train, _ = parts(rare)
    with pytest.warns(UserWarning, match="at most 6 context rows"):
        context = selecting_context(train, limit=6, seed=0)
    assert len(np.unique(context.target)) == 3


def test_a_table_above_the_limit_trains_on_all_of_its_rows(csv: Path, tmp_path: Path) -> None:
    """96 training rows, of which the backbone takes 50 in a context."""
    import lightning.pytorch as pl

    from lit_causalmix.backbones import Nano
    from lit_causalmix.training.task import CausalMixTask

    task = CausalMixTask(Nano(max_context_rows=50, n_ensemble=1))

    def streams(**settings: Any) -> CausalMixDataModule:
        data = CausalMixDataModule(
            TableSpec(str(csv), target="target"), synthetic_ratio=0.0, **settings
        )
        trainer = pl.Trainer(accelerator="cpu", default_root_dir=tmp_path, logger=False)
        data.trainer = trainer
        trainer.strategy.connect(task)
        data.prepare_data()
        data.setup("fit")
        return data

    with pytest.warns(UserWarning, match="at most 50 context rows"):
        data = streams()
    assert data.training_sizes() == (50, 12)
    assert data.evaluation_stream("val")[0].x_context.shape[0] == 50
    seen = [data.train_stream[index].x_context for index in range(10)]
    assert {len(x) for x in seen} == {50}
    assert len(torch.cat(seen).nan_to_num(-9).unique(dim=0)) > 80
    with pytest.raises(LimitError, match="at most 50 context rows, an episode has 72"):
        streams(episode_rows=90)
