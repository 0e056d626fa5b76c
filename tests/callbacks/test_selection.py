"""Which weights a fit returns, by each way of selecting them."""

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from lit_causalmix.callbacks import (
    BestWeights,
    ScoreTrajectory,
    ZeroShotEarlyStopping,
)
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import (
    CautiousValidation,
    FixedBudget,
    MixedValidation,
    RealValidation,
    SyntheticValidation,
)

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
SYNTHETIC = {"val_synthetic_rows": 40, "synthetic_ratio": 0.5}


def only(trainer: Any, kind: type) -> Any:
    return next(c for c in trainer.callbacks if isinstance(c, kind))


def state(path: Path | str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return weights


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("selection", [SyntheticValidation(), MixedValidation(0.3)])
def test_loss_zero_shot_and_best_weights_follow_the_same_rows(fit: Any, selection: Any) -> None:
    trainer, task = fit("run", model={"selection": selection}, data=SYNTHETIC)
    sheet, best = task.scoreboard.sheets["val"], task.scoreboard.selected
    latest = sheet.scores
    expected = selection.loss(latest, True)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(expected)
    assert expected != latest["real/log_loss"].value
    assert best.score <= selection.loss(sheet.zero_shot, True)
    trainer.validate(task, datamodule=trainer.datamodule, verbose=False)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(best.score)


def test_weights_that_get_worse_on_synthetic_rows_leave_zero_shot(fit: Any) -> None:
    _, task = fit("run", model={"selection": SyntheticValidation()}, data=SYNTHETIC, lr=3.0)
    assert task.scoreboard.selected.step == 0
    start = task._start
    assert same(start, task.backbone.state_dict())


@pytest.mark.parametrize("callback", [BestWeights, ZeroShotEarlyStopping])
def test_no_other_metric_is_compared_with_the_loss_of_zero_shot(callback: Any) -> None:
    callback(monitor="val/loss")
    told = rf"{callback.__name__} compares val/loss .* 'val/real/ece': .* by model\.selection"
    with pytest.raises(ConfigurationError, match=told):
        callback(monitor="val/real/ece")


@pytest.mark.parametrize("callback", ["BestWeights", "ZeroShotEarlyStopping"])
def test_the_command_line_refuses_another_metric_before_the_fit(
    callback: str, csv: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    table = [f"--data.table.source={csv}", "--data.table.target=target"]
    monitor = [f"--trainer.callbacks+={callback}", "--trainer.callbacks.monitor=val/real/ece"]
    assert main(["fit", "--config", str(TINY), *table, *monitor]) != 0
    assert "choose the metric by model.selection" in capsys.readouterr().err
    assert not Path("runs").exists()


class BlindToZeroShot(RealValidation):
    """Zero-shot, the first to be judged, has no score."""

    def loss(self, scores: Any, is_classification: bool) -> float:
        found = super().loss(scores, is_classification)
        self.first = getattr(self, "first", found)
        return math.nan if found == self.first else found


def test_any_weights_take_the_place_of_a_zero_shot_without_a_score(fit: Any) -> None:
    trainer, task = fit("run", model={"selection": BlindToZeroShot()}, lr=3.0)
    best = task.scoreboard.selected
    assert best.step > 0
    assert math.isfinite(best.score)
    assert same(state(only(trainer, BestWeights).best_model_path), task.state_dict())


def test_an_undefined_zero_shot_score_does_not_stop_a_fit_that_improves(fit: Any) -> None:
    trainer, _ = fit("run", model={"selection": BlindToZeroShot()}, epochs=2, patience=1)
    assert trainer.global_step == 6


class Blind(RealValidation):
    """No weights have a score, as by ROC-AUC with validation rows of one class."""

    def loss(self, scores: Any, is_classification: bool) -> float:
        return math.nan


def test_zero_shot_stays_where_nothing_has_a_score(fit: Any) -> None:
    _, task = fit("run", model={"selection": Blind()}, lr=3.0)
    assert task.scoreboard.selected.step == 0
    assert same(task._start, task.backbone.state_dict())


def test_a_checkpoint_without_a_selection_goes_on_from_zero_shot(
    fit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit("run", lr=3.0, epochs=1)
    last = tmp_path / "run" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    for name in ("scoreboard", "checksums", "selected_state_dict"):
        content.pop(name)
    torch.save(content, last)  # as earlier versions wrote it
    for epochs in (1, 2):  # nothing left to train, and one epoch
        resumed, task = fit(f"again-{epochs}", lr=3.0, epochs=epochs, ckpt=last)
        assert "has no scoreboard" in caplog.text
        assert task.scoreboard.selected.step == 0
        assert same(task._start, task.backbone.state_dict())
        assert same(state(only(resumed, BestWeights).best_model_path), task.state_dict())


def test_caution_leaves_zero_shot_for_a_gain_above_its_bar_alone(fit: Any) -> None:
    gains = {}

    def chosen(min_gain: float) -> tuple[int, bool]:
        selection = CautiousValidation(min_gain)
        trainer, task = fit(
            f"run-{min_gain}", callbacks=[ScoreTrajectory()], model={"selection": selection}
        )
        points = only(trainer, ScoreTrajectory).report_content(trainer)["trajectory"]
        gains.update({p["step"]: p["val"]["roc_auc"] for p in points})
        zero = task._start
        return task.scoreboard.selected.step, same(zero, task.backbone.state_dict())

    step, untouched = chosen(0.0)
    best = max(gains, key=lambda at: gains[at])
    assert gains[best] > 0  # so that the bar decides
    assert (step, untouched) == (best, False)
    assert chosen(0.99 * gains[best]) == (best, False)
    assert chosen(1.01 * gains[best]) == (0, True)


def test_a_fixed_budget_returns_the_last_weights_and_never_stops(fit: Any, tmp_path: Path) -> None:
    trainer, task = fit("run", model={"selection": FixedBudget()}, lr=3.0, epochs=4, patience=1)
    assert trainer.current_epoch == 4
    best = task.scoreboard.selected
    assert best.step == trainer.global_step == 12
    last = state(tmp_path / "run" / "last.ckpt")
    assert same(last, state(only(trainer, BestWeights).best_model_path))
    assert same(last, task.state_dict())
    real = task.scoreboard.sheets["val"].scores["real/log_loss"].value
    assert best.score == pytest.approx(real)  # far above zero-shot: selected by nothing
    assert real > task.scoreboard.sheets["val"].zero_shot["real/log_loss"].value


def test_a_fixed_budget_returns_what_was_trained_after_the_last_validation(
    fit: Any, tmp_path: Path
) -> None:
    _, task = fit("run", model={"selection": FixedBudget()}, epochs=3, check_val_every_n_epoch=2)
    assert task.scoreboard.selected.step == 9
    assert same(state(tmp_path / "run" / "last.ckpt"), task.state_dict())


def test_synthetic_validation_rows_stand_in_no_pool(frame: pd.DataFrame, tmp_path: Path) -> None:
    from lit_causalmix.datamodules import CausalMixDataModule
    from lit_causalmix.generators.scm import SCMGenerator
    from lit_causalmix.tables import TableSpec

    module = CausalMixDataModule(
        TableSpec(frame, target="target"),
        generator=SCMGenerator(n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear"),
        synthetic_size=1.0,
        val_synthetic_rows=30,
        cache_dir=str(tmp_path),
        progress=False,
    )
    module.prepare_data()
    module.setup()
    assert module.synthetic is not None
    pool = {tuple(row) for row in module.synthetic.rows.pool.tolist()}
    _, scored = module.evaluation_parts("val")
    assert not pool & {tuple(row) for row in scored.values.tolist()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config=stopping/synthetic", "--data.val_synthetic_rows=0"], "val_synthetic_rows is 0"),
        (["--model.selection=MixedValidation"], "MixedValidation needs synthetic validation rows"),
        (
            ["--model.selection=MixedValidation", "--model.selection.synthetic_weight=2"],
            "synthetic_weight must lie in (0, 1), got 2",
        ),
    ],
)
def test_a_selection_without_its_rows_is_refused_before_any_work(
    csv: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lit_causalmix.generators.scm import SCMGenerator

    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    monkeypatch.setattr(SCMGenerator, "fit", lambda *_, **__: pytest.fail("too late"))
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    assert main(["fit", "--config", str(TINY), *table, *options]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("name", ["synthetic", "mixed", "fixed-budget"])
def test_every_selection_runs_from_its_configuration(
    name: str,
    csv: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    assert main(["fit", "--config", str(TINY), *table, "--config", f"stopping/{name}"]) == 0
    chosen = {
        "synthetic": ", synthetic validation log_loss",
        "mixed": ", mixed validation log_loss",
        "fixed-budget": "Last weights (step 4, validation log_loss",
    }
    assert chosen[name] in capsys.readouterr().out


def test_validation_rows_of_slow_generators_are_drawn_once(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lit_causalmix.datamodules import CausalMixDataModule
    from lit_causalmix.generators.parts.draws import SyntheticRows
    from lit_causalmix.generators.scm import SCMGenerator
    from lit_causalmix.tables import TableSpec

    def rows() -> list[torch.Tensor]:
        module = CausalMixDataModule(
            TableSpec(frame, target="target"),
            generator=SCMGenerator(n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear"),
            synthetic_size=1.0,
            val_synthetic_rows=30,
            cache_dir=str(tmp_path),
            progress=False,
        )
        module.prepare_data()
        module.setup()
        return [episode.x_query for episode in module.val_dataloader()]

    monkeypatch.setattr(SCMGenerator, "slow", True)
    first = rows()
    monkeypatch.setattr(SyntheticRows, "fresh", lambda *_: pytest.fail("drawn again"))
    again = rows()
    assert len(first) == 2
    assert all(
        torch.equal(a.nan_to_num(9), b.nan_to_num(9)) for a, b in zip(first, again, strict=True)
    )
