"""Retouche: what it promises before any training, in a fit, and in the model that is kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import lit_causalmix
from lit_causalmix.backbones import Backbone, Nano, Tab2D
from lit_causalmix.backbones.retouched import Retouched
from lit_causalmix.callbacks import EMAWeights, PretrainedFolder
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import ManyTablesDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.estimators import CausalMixRegressor
from lit_causalmix.tables import TableSpec
from lit_causalmix.training import CausalMixTask, Retouche

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
RETOUCHE = {"class_path": "Retouche", "init_args": {"rank": 2}}


def episode(n_classes: int = 3, n_columns: int = 5) -> Episode:
    """Column 1 holds categories, column 2 gaps."""
    x = torch.randn(47, n_columns, generator=torch.Generator().manual_seed(3))
    x[:, 1] = torch.arange(47) % 3
    x[::9, 2] = torch.nan
    y = torch.arange(47) % n_classes if n_classes else x[:, 0]
    categorical = torch.arange(n_columns) == 1
    return Episode.of_rows(x, y, 40, n_classes, categorical=categorical)


def retouched(backbone: Backbone, **settings: Any) -> Retouched:
    found = Retouche(**settings).insert(backbone)
    assert isinstance(found, Retouched)
    found.fit_columns(5)
    return found.eval()


def randomise(module: torch.nn.Module, size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))


@torch.no_grad()
def predicted(backbone: Backbone, rows: Episode) -> Tensor:
    return backbone.predict(backbone(rows), rows)


def test_tables_of_other_columns_share_no_correction(
    frame: pd.DataFrame, bare_trainer: Any
) -> None:
    def trained(other: pd.DataFrame) -> int:
        tables = [TableSpec(f, target="target", name=n) for f, n in ((frame, "a"), (other, "b"))]
        data = ManyTablesDataModule(tables, synthetic_ratio=0.0, progress=False)
        trainer = bare_trainer(max_steps=1)
        task = CausalMixTask(Tab2D(dim=16, n_layers=1), adapter=Retouche(rank=2))
        trainer.fit(task, datamodule=data)
        return trainer.global_step

    assert trained(frame.iloc[::-1]) == 1
    with pytest.raises(
        ConfigurationError, match=r"Retouche belongs .* \(age, income, .* / years, "
    ):
        trained(frame.rename(columns={"age": "years"}))


@pytest.mark.parametrize("n_classes", [3, 0])
def test_at_first_it_changes_nothing_to_the_bit(n_classes: int) -> None:
    plain, rows = Nano().eval().requires_grad_(False), episode(n_classes)
    before = predicted(plain, rows)
    found = retouched(plain)
    touched = found.retouch(rows)
    for a, b in ((touched.x_context, rows.x_context), (touched.x_query, rows.x_query)):
        assert torch.equal(a.view(torch.int32), b.view(torch.int32))  # NaN and signs of 0, too
    assert torch.equal(predicted(found, rows), before)
    with torch.no_grad():
        assert torch.equal(found.losses([rows]), plain.losses([rows]))


@pytest.mark.parametrize("size", [0.1, 1.0, 1e6])
def test_no_cell_moves_further_than_the_bound(size: float) -> None:
    found, rows = retouched(Tab2D(dim=16, n_layers=1), bound=0.25), episode()
    rows.x_query[0, 0] = 1e30
    randomise(found.correction, size)
    moved = found.retouch(rows)
    assert torch.isfinite(predicted(found, rows)).all()
    for a, b in ((moved.x_context, rows.x_context), (moved.x_query, rows.x_query)):
        number = torch.isfinite(b) & ~rows.categorical
        assert torch.equal(a.isnan(), b.isnan())
        assert torch.equal(a[:, 1], b[:, 1])  # categories
        distance = (a - b)[number].abs()
        assert 0 < float(distance.max()) <= 0.25 + 1e-6


def test_the_correction_of_a_linear_map_is_the_formula() -> None:
    found = retouched(Tab2D(dim=16, n_layers=1), n_layers=0, rank=5, bound=0.5)
    with torch.no_grad():
        found.correction.last_down.copy_(torch.eye(5))
        found.correction.last_up.copy_(2.0 * torch.eye(5))
    x = torch.tensor([[0.5, 1.0, torch.nan, -2.0, 0.0]])
    moved = found.touched(x, torch.tensor([False, True, False, False, False]))
    at = 0.5 + 0.5 * np.tanh(2 * 3 * np.tanh(0.5 / 3)), -2 + 0.5 * np.tanh(6 * np.tanh(-2 / 3))
    expected = torch.tensor([[at[0], 1.0, torch.nan, at[1], 0.0]], dtype=torch.float32)
    torch.testing.assert_close(moved, expected, equal_nan=True)


def test_the_backbone_is_frozen_and_every_part_of_the_correction_trains() -> None:
    found, rows = retouched(Tab2D(dim=16, n_layers=1), rank=3).train(), episode()
    state = {name: value.clone() for name, value in found.backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in found.parameters() if p.requires_grad], lr=0.5)
    first = float(found.losses([rows]))
    for _ in range(20):
        optimizer.zero_grad()
        found.losses([rows]).sum().backward()
        optimizer.step()
    assert all(p.grad is None for p in found.backbone.parameters())
    assert all(torch.equal(v, state[n]) for n, v in found.backbone.state_dict().items())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in found.correction.parameters())
    assert float(found.losses([rows])) < first
    groups = found.parameter_groups()
    assert groups["retouche"] == list(found.correction.parameters())


def test_the_same_seed_starts_alike() -> None:
    one, two, other = (retouched(Tab2D(dim=16, n_layers=1), seed=s) for s in (1, 1, 2))
    state = torch.random.get_rng_state()
    down = [each.correction.down for each in (one, two, other)]
    assert torch.equal(down[0], down[1])
    assert not torch.equal(down[0], down[2])
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("settings", [{"rank": 0}, {"n_layers": -1}, {"bound": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="rank >= 1, n_layers >= 0 and a finite bound"):
        Retouche(**settings)


def test_rows_of_another_table_are_refused() -> None:
    task = CausalMixTask(Tab2D(dim=16, n_layers=1), adapter=Retouche())
    with pytest.raises(ConfigurationError, match="made for 0 columns, the rows have 5"):
        task.backbone(episode())
    assert isinstance(task.backbone, Retouched)
    task.backbone.fit_columns(5)
    with pytest.raises(ConfigurationError, match="corrects the columns of one table"):
        task.backbone.fit_columns(6)


def test_a_table_of_categories_alone_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0).choice(list("uvwxyz"), (120, 4))
    frame = pd.DataFrame(draws, columns=list("abcd"))
    frame["t"] = np.where(frame["a"] < frame["b"], "n", "p")
    frame.to_csv("t.csv", index=False)
    table = ["--data.table.source=t.csv", "--data.table.target=t"]
    assert main(["fit", "--config", str(TINY), *table, "--config", "finetune/retouche"]) == 2
    assert "corrects numerical columns, and the table has none" in capsys.readouterr().err


def test_a_fit_keeps_a_model_that_predicts_the_same_bits(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    options = ["--config", "finetune/retouche", "--model.selection=FixedBudget"]
    assert main(["fit", "--config", str(TINY), *table, *options]) == 0
    run = Path("runs/fit/version_0")
    again = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "best.ckpt")]
    assert main(["predict", *again, f"--data.predict_source={csv}"]) == 0
    of_checkpoint = pd.read_csv("runs/fit-predict/version_0/predictions.csv")
    model = lit_causalmix.load_model(run / "model")
    backbone = model.members[0].backbone
    assert isinstance(backbone, Retouched)
    assert backbone.correction.last_up.abs().sum() > 0
    assert not any(p.requires_grad for p in backbone.backbone.parameters())
    found = model.predict_proba(csv)
    assert np.array_equal(found, lit_causalmix.load_model(run / "model").predict_proba(csv))
    written = of_checkpoint.filter(like="good").to_numpy()[:, 0]
    assert np.array_equal(written.astype(np.float32), found[:, list(model.classes).index("good")])
    content = json.loads((run / "model" / "model.json").read_text())
    assert content["members"][0]["backbone"]["class"].endswith("Retouched")


def test_a_resumed_fit_with_averaged_weights_gives_the_same_bits(fit: Any, tmp_path: Path) -> None:
    def run(name: str, **settings: Any) -> CausalMixTask:
        model = {"adapter": Retouche(rank=2), "l2_sp": 0.01}
        averaged = [EMAWeights(0.5)]
        return fit(name, callbacks=averaged, model=model, epochs=3, lr=1e-2, **settings)[1]

    run("whole")
    run("resumed", ckpt=next((tmp_path / "whole").glob("step*4.ckpt")))
    states = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "resumed")
    ]
    assert states[0]["backbone.correction.last_up"].abs().sum() > 0
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_zero_shot_is_that_of_the_backbone_and_generators_get_it_plain(fit: Any) -> None:
    plain = Tab2D(dim=16, n_layers=1)
    _, task = fit("retouched", model={"adapter": Retouche()}, task=None, epochs=1)
    _, other = fit("plain", task=CausalMixTask(plain), epochs=1)
    for name, score in task.zero_shot("val").items():
        assert score.value == pytest.approx(other.zero_shot("val")[name].value, abs=1e-6)
    assert task.plain_backbone() is task.backbone.backbone
    assert task.kept_backbone() is task.backbone


def test_a_folder_of_plain_weights_is_refused(fit: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="save_pretrained, such as Tab2D, got Retouched"):
        fit("x", callbacks=[PretrainedFolder(str(tmp_path / "w"))], model={"adapter": Retouche()})


def test_folds_and_the_estimator_take_it_from_settings(make_frame: Any, tmp_path: Path) -> None:
    frame = make_frame(80, regression=True)
    X, y = frame.drop(columns="target"), frame["target"]
    settings = {
        "model": {"adapter": RETOUCHE, "selection": {"class_path": "FixedBudget"}},
        "data": {"synthetic_ratio": 0.0, "generator": None, "episodes_per_epoch": 2},
    }
    model = CausalMixRegressor("default", folds=2, max_steps=2, settings=settings).fit(X, y)
    kinds = [type(member.backbone) for member in model.model_.members]
    assert kinds == [Retouched, Retouched]
    model.save(tmp_path / "kept")
    assert np.array_equal(lit_causalmix.load_model(tmp_path / "kept").predict(X), model.predict(X))
