"""A fit that ends in time: with the best so far, and a word on what was cut."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import pytest

from lit_causalmix.bars import Bar
from lit_causalmix.callbacks import ConfidenceCurriculum, RatioSchedule, TimeLimit
from lit_causalmix.datamodules import ManyTablesDataModule
from lit_causalmix.deadlines import OutOfTimeError, check, until
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.estimators import CausalMixClassifier
from lit_causalmix.generators import JitterGenerator
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.schedules import Linear


def test_a_deadline_holds_in_its_block_alone() -> None:
    with until(time.monotonic() + 60), until(None):
        check()
    with pytest.raises(OutOfTimeError), until(time.monotonic() - 1):
        Bar(total=2, desc="work", disable=True).update()
    check()


class Clock(TimeLimit):
    """A limit whose time is over after so many steps."""

    def __init__(self, steps: int, seconds: float = 1e6) -> None:
        super().__init__(seconds)
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        if trainer.global_step >= self.steps:
            self._began -= 2e6
        super().on_train_batch_end(trainer, *arguments)


def test_training_ends_with_the_best_so_far(
    fit: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    limit = Clock(4)
    trainer, task = fit("run", callbacks=[limit], epochs=5)
    assert trainer.global_step == 4
    assert limit.cut == ["training ended after 4 of 15 steps"]
    assert "The time limit of 1e+06 s cut this fit: training ended after 4 of 15" in caplog.text
    assert task.holds_selected()
    assert [entry.step for entry in task.scoreboard.history] == [0, 3, 4]  # it was validated
    assert limit.report_content(trainer)["time_limit"] == {"seconds": 1e6, "cut": limit.cut}


def test_a_limit_that_is_not_reached_changes_no_bit(fit: Callable[..., Any]) -> None:
    _, task = fit("free")
    limit = TimeLimit(3600)
    _, limited = fit("limited", callbacks=[limit])
    assert not limit.cut
    assert limited.scoreboard.state()["history"] == task.scoreboard.state()["history"]


def test_too_short_for_zero_shot_is_said(fit: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="too short for zero-shot, which was scored after"):
        fit("run", callbacks=[TimeLimit(1e-3)])
    with pytest.raises(ConfigurationError, match="a time limit lies above 0 seconds, got -1"):
        TimeLimit(-1)


class Slow(SCMGenerator):
    """Never gets to an end."""

    def fit(self, *_: Any, **__: Any) -> None:
        with Bar(total=None, desc="for ever", disable=True) as bar:
            while True:
                time.sleep(0.01)
                bar.update()


def test_a_generator_that_takes_too_long_is_given_up(
    fit: Callable[..., Any], tmp_path: Path
) -> None:
    limit = TimeLimit(60)
    limit._began -= 29.5  # half a second is left of its half
    data = {"synthetic_ratio": 0.5, "generator": Slow()}
    trainer, task = fit("run", callbacks=[limit], data=data)
    assert limit.cut[0].startswith("there are real rows alone, as the generator was not fitted")
    assert trainer.datamodule.method == "real rows only"
    assert task.holds_selected()
    assert not list((tmp_path / "cache").glob("*/manifest.json"))
    limit = TimeLimit(60)
    limit._began -= 29.9
    with pytest.raises(GeneratorError, match="was not fitted in time, and its rows are to be"):
        fit("other", callbacks=[limit], data={**data, "val_synthetic_rows": 5})


def nearly_over() -> TimeLimit:
    """A limit with half a second left of the generator's half."""
    limit = TimeLimit(60)
    limit._began -= 29.5
    return limit


@pytest.mark.parametrize("schedule", [RatioSchedule(Linear(1.0, 0.0)), ConfidenceCurriculum()])
def test_without_a_generator_there_is_nothing_to_schedule(
    schedule: pl.Callback, fit: Callable[..., Any]
) -> None:
    data = {"synthetic_ratio": 0.5, "generator": Slow()}
    trainer, task = fit("run", callbacks=[schedule, nearly_over()], data=data)
    assert trainer.global_step == 6
    assert trainer.datamodule.method == "real rows only"
    assert "train/synthetic_ratio" not in trainer.logged_metrics
    _, plain = fit("plain")
    assert task.scoreboard.state() == plain.scoreboard.state()  # real rows alone, to the bit


class SlowAtFirst(JitterGenerator):
    """Comes to an end the second time."""

    tried = False

    def fit(self, *arguments: Any, **settings: Any) -> Any:
        if not self.tried:
            self.tried = True
            Slow().fit()
        return super().fit(*arguments, **settings)


def test_the_next_fit_without_a_limit_has_a_generator_again(
    fit: Callable[..., Any], bare_trainer: Callable[..., pl.Trainer]
) -> None:
    data = {"synthetic_ratio": 0.5, "generator": SlowAtFirst()}
    trainer, task = fit("run", callbacks=[nearly_over()], data=data)
    module = trainer.datamodule
    trainer.test(task, datamodule=module, verbose=False)
    assert module.method == "real rows only"  # it still says how it was trained
    bare_trainer(max_steps=1).fit(task, datamodule=module)
    assert module.method == "SlowAtFirst, ratio 0.5"
    assert not module.given_up


def test_the_generators_of_many_tables_share_the_limit(
    frame: pd.DataFrame,
    tmp_path: Path,
    fit: Callable[..., Any],
    bare_trainer: Callable[..., pl.Trainer],
) -> None:
    _, task = fit("run", epochs=1)
    tables = [TableSpec(frame, target="target", name=name) for name in ("one", "two")]
    data = ManyTablesDataModule(
        tables, generator=Slow(), cache_dir=str(tmp_path / "cache"), progress=False
    )
    trainer = bare_trainer(max_steps=1, callbacks=[nearly_over(), RatioSchedule(Linear(1.0, 0.0))])
    trainer.fit(task, datamodule=data)
    assert data.method == "2 tables; real rows only"


def test_the_estimator_says_what_was_cut(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path / "cache"))
    X, y = frame.drop(columns="target"), frame["target"]
    monkeypatch.setattr("lit_causalmix.callbacks.time_limit.GENERATOR_SHARE", 1e-9)
    model = CausalMixClassifier(time_limit=300, max_steps=2, device="cpu")
    with pytest.warns(UserWarning, match="cut this fit: there are real rows alone"):
        model.fit(X, y)
    assert len(model.cut_) == 1
    assert model.model_.record["method"] == "real rows only"
    folds = CausalMixClassifier(time_limit=300, max_steps=2, folds=2, device="cpu")
    with pytest.warns(UserWarning, match="cut this fit: there are real rows alone"):
        folds.fit(X, y)
    assert len(folds.model_.members) == 2
    assert not list((tmp_path / "cache").rglob("manifest.json"))  # nor was it fitted to predict
    with pytest.raises(ConfigurationError, match="too short for zero-shot"):
        CausalMixClassifier("default", time_limit=1e-3, device="cpu").fit(X, y)
