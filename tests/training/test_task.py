import math
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_causalmix.backbones import Nano, Tab2D
from lit_causalmix.callbacks import (
    BestWeights,
    DomainMetrics,
    RunReport,
    ZeroShotBaseline,
    ZeroShotEarlyStopping,
)
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training.task import CausalMixTask


def task(*, lr: float = 1e-3, regression: bool = False, **settings: Any) -> CausalMixTask:
    backbone = Tab2D(dim=16, n_layers=1, task="regression" if regression else "classification")
    return CausalMixTask(backbone, partial(torch.optim.AdamW, lr=lr), **settings)


def data(frame: pd.DataFrame, cache: Path, **settings: Any) -> CausalMixDataModule:
    defaults = {"synthetic_ratio": 0.5, "episodes_per_epoch": 3, "progress": False}
    return CausalMixDataModule(
        TableSpec(frame, target="target", name="mixed", domain="retail"),
        generator=SCMGenerator(n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear"),
        cache_dir=str(cache / "cache"),
        **defaults | settings,
    )


def trainer(folder: Path, *, epochs: int = 2, patience: int = 50, **settings: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[
            ZeroShotBaseline(),
            DomainMetrics(),
            ZeroShotEarlyStopping(patience=patience),
            RunReport(show=False),
            BestWeights(),
            ModelCheckpoint(
                folder, "last", enable_version_counter=False, save_on_train_epoch_end=True
            ),
        ],
        **settings,
    )


def weights(module: CausalMixTask) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.backbone.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


def last(folder: Path) -> dict[str, torch.Tensor]:
    """Weights at the end of training, before the best ones were restored."""
    state: dict[str, torch.Tensor] = torch.load(folder / "last.ckpt", weights_only=True)[
        "state_dict"
    ]
    return state


def fit(frame: pd.DataFrame, folder: Path, module: CausalMixTask | None = None, **settings: Any):  # type: ignore[no-untyped-def]
    module = module or task()
    runner = trainer(folder)
    runner.fit(module, datamodule=data(frame, folder.parent, **settings))
    return runner, module


def test_same_seed_same_bits_and_other_seed_other_bits(frame: pd.DataFrame, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(frame, tmp_path / name, seed=seed)
    assert equal(last(tmp_path / "a"), last(tmp_path / "b"))
    assert not equal(last(tmp_path / "a"), last(tmp_path / "c"))


def test_numbers_of_numpy_leave_checkpoints_that_are_read_as_data(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    split = SplitSpec(val_fraction=np.float64(0.3))
    runner, _ = fit(
        frame, tmp_path / "fit", task(lr=np.float64(1e-3)), split=split, synthetic_ratio=0.0
    )
    assert last(tmp_path / "fit")  # with weights_only=True
    again = trainer(tmp_path / "fit", epochs=3)
    rows = data(frame, tmp_path, split=split, synthetic_ratio=0.0)
    again.fit(task(), datamodule=rows, ckpt_path=str(tmp_path / "fit" / "last.ckpt"))
    assert again.global_step > runner.global_step


def test_ratio_zero_is_default_fine_tuning_exactly(frame: pd.DataFrame, tmp_path: Path) -> None:
    fit(frame, tmp_path / "zero", synthetic_ratio=0.0)
    runner, module = trainer(tmp_path / "plain"), task()
    plain = CausalMixDataModule(
        TableSpec(frame, target="target"),
        generator=None,
        synthetic_ratio=0.0,
        episodes_per_epoch=3,
    )
    runner.fit(module, datamodule=plain)
    assert plain.generator is None
    assert equal(last(tmp_path / "zero"), last(tmp_path / "plain"))
    fit(frame, tmp_path / "half", synthetic_ratio=0.5)
    assert not equal(last(tmp_path / "zero"), last(tmp_path / "half"))


def test_changed_test_rows_change_no_weight(frame: pd.DataFrame, tmp_path: Path) -> None:
    runner, _ = fit(frame, tmp_path / "a")
    rows = runner.datamodule.splits.test.rows
    changed = frame.copy()
    changed.loc[rows, "age"] = [1000.25 + i for i in range(len(rows))]
    changed.loc[rows, "colour"] = "violet"
    with pytest.warns(UserWarning, match="unseen in training"):
        fit(changed, tmp_path / "b")
    assert equal(last(tmp_path / "a"), last(tmp_path / "b"))


def test_resume_in_the_middle_of_an_epoch_gives_the_same_bits(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    def run(folder: Path, ckpt: str | None = None, **settings: Any) -> None:
        runner = trainer(folder, **settings)
        runner.callbacks.append(  # type: ignore[attr-defined]
            ModelCheckpoint(folder, "step{step}", every_n_train_steps=4, save_top_k=-1)
        )
        runner.fit(task(), datamodule=data(frame, tmp_path), ckpt_path=ckpt)

    run(tmp_path / "whole", epochs=3)
    middle = next((tmp_path / "whole").glob("step*4.ckpt"))  # one episode into the second epoch
    run(tmp_path / "resumed", str(middle), epochs=3)
    assert equal(last(tmp_path / "whole"), last(tmp_path / "resumed"))


def test_weights_that_only_get_worse_leave_zero_shot(make_frame: Any, tmp_path: Path) -> None:
    # A trained model on rows that it predicts well, which such a rate ruins; random weights may
    # gain by anything.
    module = CausalMixTask(Nano(), partial(torch.optim.AdamW, lr=0.3))
    before = weights(module)
    fit(make_frame(seed=1), tmp_path / "run", module)
    assert module.scoreboard.selected.step == 0
    assert equal(before, weights(module))
    assert not equal(last(tmp_path / "run"), {f"backbone.{k}": v for k, v in before.items()})


def test_what_is_returned_is_the_best_on_validation(frame: pd.DataFrame, tmp_path: Path) -> None:
    runner, module = fit(frame, tmp_path / "run", task(lr=1e-2))
    curve = [entry.scores["real/log_loss"].value for entry in module.scoreboard.history]
    assert module.scoreboard.selected.score == pytest.approx(min(curve))
    (scores,) = runner.validate(module, datamodule=runner.datamodule, verbose=False)
    assert scores["val/loss"] == pytest.approx(min(curve), rel=1e-6)
    assert (tmp_path / "run" / module.scoreboard.selected.file).is_file()


def test_early_stopping_counts_zero_shot(frame: pd.DataFrame, tmp_path: Path) -> None:
    runner = trainer(tmp_path / "run", epochs=50, patience=2)
    runner.fit(task(lr=3.0), datamodule=data(frame, tmp_path, synthetic_ratio=0.0))
    assert runner.current_epoch <= 3


def test_metrics_are_logged_per_domain_and_normalised(frame: pd.DataFrame, tmp_path: Path) -> None:
    runner, module = fit(frame, tmp_path / "run", val_synthetic_rows=20)
    logged = set(runner.callback_metrics)
    assert {
        "val/loss",
        "val/real/roc_auc",
        "val/retail/log_loss",
        "val/synthetic/roc_auc",
    } <= logged
    assert "val/real/roc_auc_normalized" in logged
    (scores,) = runner.test(module, datamodule=runner.datamodule, verbose=False)
    base = module.scoreboard.sheets["test"].zero_shot["real/roc_auc"].value
    expected = (scores["test/real/roc_auc"] / base - 1) * 100
    assert scores["test/real/roc_auc_normalized"] == pytest.approx(expected, rel=1e-4)
    assert (tmp_path / "run" / "report.json").is_file()
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_best_checkpoint_carries_the_baseline_and_tests_alike(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    runner, module = fit(frame, tmp_path / "run", task(lr=1e-2))
    (direct,) = runner.test(module, datamodule=runner.datamodule, verbose=False)
    best = next(c for c in runner.callbacks if isinstance(c, BestWeights))
    other = trainer(tmp_path / "again")
    fresh = task(lr=1e-2)
    (loaded,) = other.test(
        fresh, datamodule=data(frame, tmp_path), ckpt_path=best.best_model_path, verbose=False
    )
    assert loaded == pytest.approx(direct, rel=1e-6)
    carried, original = (t.scoreboard.sheets["val"].zero_shot for t in (fresh, module))
    assert carried == original


def test_regression_reports_mae_rmse_and_r2_in_units(make_frame: Any, tmp_path: Path) -> None:
    runner, module = fit(make_frame(regression=True), tmp_path / "run", task(regression=True))
    (scores,) = runner.test(module, datamodule=runner.datamodule, verbose=False)
    assert {"test/real/mae", "test/retail/rmse", "test/real/r2"} <= set(scores)
    deviation = runner.datamodule.splits.test.target.std()
    assert 0.1 * deviation < scores["test/real/rmse"] < 3 * deviation


def test_learning_rate_schedule_steps_with_the_training_steps(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    scheduler = partial(torch.optim.lr_scheduler.LinearLR, start_factor=0.1, total_iters=6)
    runner, _ = fit(frame, tmp_path / "run", task(lr_scheduler=scheduler))
    assert runner.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3)
    assert runner.global_step == 6


def test_frozen_groups_keep_their_values(frame: pd.DataFrame, tmp_path: Path) -> None:
    groups = Tab2D(dim=16, n_layers=1).parameter_groups()
    first = next(iter(groups))
    module = task(freeze=[first])
    frozen = [p.detach().clone() for p in module.backbone.parameter_groups()[first]]
    free = next(g for g in groups if g != first)
    moving = [p.detach().clone() for p in module.backbone.parameter_groups()[free]]
    trainer(tmp_path / "run").fit(module, datamodule=data(frame, tmp_path))
    state = last(tmp_path / "run")
    names = {id(p): n for n, p in module.backbone.named_parameters()}
    now = {
        g: [state[f"backbone.{names[id(p)]}"] for p in ps]
        for g, ps in module.backbone.parameter_groups().items()
    }
    assert all(torch.equal(a, b) for a, b in zip(frozen, now[first], strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(moving, now[free], strict=True))


def test_unknown_and_total_freezing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no parameter group of Tab2D: nose; there are"):
        task(freeze=["nose"])
    with pytest.raises(ConfigurationError, match="leaves nothing to train"):
        task(freeze=list(Tab2D(dim=16, n_layers=1).parameter_groups()))


def test_limits_are_checked_before_the_generator_is_fitted(
    make_frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SCMGenerator, "fit", lambda *_, **__: pytest.fail("too late"))
    frame = make_frame(regression=True)
    with pytest.raises(LimitError, match="Tab2D"):
        fit(frame, tmp_path / "task")
    small = CausalMixTask(Tab2D(dim=16, n_layers=1, max_context_rows=20))
    many = data(make_frame(), tmp_path, episode_rows=90)
    with (
        pytest.warns(UserWarning, match="the training split has 96"),
        pytest.raises(LimitError, match="at most 20 context rows, an episode has 72"),
    ):
        trainer(tmp_path / "rows").fit(small, datamodule=many)
    narrow = CausalMixTask(Tab2D(dim=16, n_layers=1, max_columns=3))
    with pytest.raises(LimitError, match="at most 3 feature columns, the table has 4"):
        trainer(tmp_path / "columns").fit(narrow, datamodule=data(make_frame(), tmp_path))


def test_selection_has_zero_shot_measured_where_nothing_else_does(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    runner = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[DomainMetrics(), BestWeights()],
    )
    module = task(lr=3.0)
    before = weights(module)
    runner.fit(module, datamodule=data(frame, tmp_path, synthetic_ratio=0.0))
    assert module.scoreboard.selected.step == 0
    assert equal(before, weights(module))


def test_one_class_in_validation_is_said_and_not_hidden(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "x": [i * 0.37 % 5 for i in range(60)],
            "target": (["a", "b"] * 20) + ["a"] * 10 + ["a", "b"] * 5,
            "part": ["train"] * 40 + ["val"] * 10 + ["test"] * 10,
        }
    )
    module = CausalMixDataModule(
        TableSpec(frame, target="target", split_column="part"),
        SplitSpec(),
        synthetic_ratio=0.0,
        episodes_per_epoch=2,
    )
    runner = trainer(tmp_path / "run")
    runner.fit(task(), datamodule=module)
    undefined = runner.lightning_module.scoreboard.undefined
    assert "only one is present" in undefined["val/real/roc_auc"]
    assert "val/real/roc_auc" not in runner.callback_metrics
    assert math.isfinite(float(runner.callback_metrics["val/loss"]))
