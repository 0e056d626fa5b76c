"""What a cell leaves out beside the fit itself, and that its record is the same without."""

import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest

from lit_causalmix.study import cell as cell_module
from lit_causalmix.study.cell import run_cell
from lit_causalmix.study.fit_config import FitCLI
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store
from lit_causalmix.training.task import CausalMixTask

Spec = Callable[..., StudySpec]


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The validations that a cell asks for beside those of its fit."""
    asked: list[object] = []
    validate = pl.Trainer.validate

    def counted(trainer: pl.Trainer, *args: Any, **kwargs: Any) -> Any:
        asked.append(trainer)
        return validate(trainer, *args, **kwargs)

    monkeypatch.setattr(pl.Trainer, "validate", counted)
    return asked


def one_cell(spec: Spec, **base: Any) -> Cell:
    (cell,) = plan(spec(methods=["default"], seeds=[0], tables=[spec().tables[0]], base=base))
    return cell


def test_the_selected_weights_are_not_scored_again(
    spec: Spec, tmp_path: Path, validations: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = one_cell(spec)
    taken = run_cell(cell, Store(tmp_path / "taken"))
    assert taken["status"] == "ok", taken
    assert not validations

    def scored(trainer: pl.Trainer, task: CausalMixTask, data: Any) -> None:
        trainer.validate(task, datamodule=data, verbose=False)

    monkeypatch.setattr(cell_module, "_score_selected", scored)
    again = run_cell(cell, Store(tmp_path / "scored"))
    assert len(validations) == 1
    for part in ("scores", "normalized", "zero_shot"):
        assert taken[part] == again[part]
    assert taken["best_step"] == again["best_step"]


def test_zero_shot_is_shared_by_backbones_of_the_same_settings_alone(
    spec: Spec, tmp_path: Path
) -> None:
    def cells() -> list[Cell]:
        votes = {
            f"votes{n}": {
                "model": {"backbone": {"class_path": "Nano", "init_args": {"n_ensemble": n}}}
            }
            for n in (1, 2)
        }
        declared = spec(
            methods=["default"],
            backbones=votes,
            seeds=[0],
            tables=[spec().tables[0]],
            base={"trainer": {"max_steps": 1}, "data": {"episodes_per_epoch": 1}},
        )
        return plan(declared)

    shared = Store(tmp_path / "shared")
    one, two = (run_cell(cell, shared) for cell in cells())
    alone = run_cell(cells()[1], Store(tmp_path / "alone"))
    assert one["status"] == alone["status"] == "ok", one
    assert two["zero_shot"] == alone["zero_shot"] != one["zero_shot"]
    assert one["weights"] == two["weights"]


def test_weights_made_after_the_fit_are_scored(
    spec: Spec, tmp_path: Path, validations: list[object]
) -> None:
    interpolation = {"class_path": "lit_causalmix.callbacks.WeightInterpolation"}
    cell = one_cell(spec, trainer={"callbacks+": [interpolation]})
    assert run_cell(cell, Store(tmp_path / "store"))["status"] == "ok"
    assert len(validations) == 1


def test_a_cell_writes_no_checkpoint(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", lambda *_, **__: pytest.fail("written"))
    record = run_cell(one_cell(spec), Store(tmp_path / "store"))
    assert record["status"] == "ok", record


def test_what_a_cell_made_is_gone_and_what_was_there_is_collected_as_before(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = one_cell(spec)
    made: list[weakref.ref[CausalMixTask]] = []
    build = FitCLI.instantiate_classes

    def noted(cli: FitCLI) -> None:
        build(cli)
        made.append(weakref.ref(cli.model))

    monkeypatch.setattr(FitCLI, "instantiate_classes", noted)
    frozen = gc.get_freeze_count()
    assert run_cell(cell, Store(tmp_path / "store"))["status"] == "ok"
    assert [reference() for reference in made] == [None]
    assert gc.get_freeze_count() == frozen


def test_fits_share_a_parser_and_nothing_else(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    cell = one_cell(spec)
    first = FitCLI(cell.config)
    values = first.values(with_defaults=True)
    other = FitCLI({**cell.config, "trainer": {**cell.config["trainer"], "max_epochs": 7}})
    assert other.parser is first.parser
    assert other.trainer.max_epochs == 7
    assert first.values(with_defaults=True) == values
    assert other.model is not first.model
    assert not set(other.trainer.callbacks) & set(first.trainer.callbacks)
    again = FitCLI(cell.config)
    assert again.trainer.max_epochs == first.trainer.max_epochs
    assert again.values(with_defaults=True) == values


@pytest.mark.slow
def test_a_second_fit_of_a_process_imports_nothing(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "resident.py"
    command = [sys.executable, str(script), "3", "sklearn:wine", str(tmp_path / "marks")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    marks = json.loads((tmp_path / "marks.json").read_text(encoding="utf-8"))
    assert marks["new modules"] == 0
    assert marks["1"] > 0
