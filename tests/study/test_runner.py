import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.callbacks import FGSM
from lit_causalmix.commands.main import main
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.jitter import JitterGenerator
from lit_causalmix.study import runner
from lit_causalmix.study.backends import side_by_side
from lit_causalmix.study.cell import run_cell
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.runner import RunOptions, pending, run_study
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store

Spec = Callable[..., StudySpec]
QUIET = RunOptions(progress=False, threads=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def cells(spec: Spec) -> list[Cell]:
    """Two cells on one table: default fine-tuning and jitter."""
    return plan(spec(methods=["default", "jitter"], seeds=[0], tables=[spec().tables[0]]))


def test_a_record_tells_what_a_reader_needs(cells: list[Cell], store: Store) -> None:
    record = run_cell(cells[1], store)
    assert record["status"] == "ok", record
    assert {name: record[name] for name in cells[1].labels} == cells[1].labels
    facts = ("domain", "task", "n_train", "n_columns", "n_classes")
    assert [record[name] for name in facts] == ["retail", "binary", 60, 4, 2]
    seconds = record["seconds"]
    assert set(seconds) == {
        *("total", "prepare", "train", "evaluate"),
        *("processor", "processor_fit", "generator"),
    }
    assert seconds["generator"] > 0
    assert 0 < seconds["processor_fit"] < seconds["processor"]
    assert record["device"] == "cpu"
    assert 0 <= record["best_step"] <= 4
    for stage in ("val", "test"):
        for key, score in record["scores"][stage].items():
            zero, normalized = (record[part][stage][key] for part in ("zero_shot", "normalized"))
            sign = 1 if key.endswith(("roc_auc", "accuracy")) else -1
            if zero:
                assert normalized == pytest.approx(sign * (score - zero) / abs(zero) * 100)
    # The validation score is that of the selected weights, which are never worse than zero-shot.
    assert record["normalized"]["val"]["real/log_loss"] >= 0
    assert record["config"]["data"]["split"]["max_train_rows"] == 60
    assert record["config"]["data"]["generator"]["class_path"].endswith("JitterGenerator")
    assert record["versions"]["torch"]
    assert record["config"]["trainer"]["logger"] is False
    assert record["config"]["data"]["table"]["source"] == "first.csv"
    assert str(store.root.parent) not in str(record)


def test_a_cell_is_the_fit_of_the_command_line(
    cells: list[Cell], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_cell(cells[1], store)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    Path("cell.yaml").write_text(yaml.safe_dump(cells[1].config))
    assert main(["fit", "--config", "cell.yaml", "--trainer.callbacks+=RunReport"]) == 0
    (report,) = Path().rglob("report.json")
    rows = [r for r in json.loads(report.read_text())["rows"] if r["stage"] == "test"]
    told = {f"{row['domain']}/{row['metric']}": row for row in rows}
    assert told.keys() == record["scores"]["test"].keys()
    for key, row in told.items():
        assert row["fine_tuned"]["value"] == record["scores"]["test"][key]
        assert row["normalized"]["value"] == record["normalized"]["test"][key]


def test_further_callbacks_add_to_the_record(spec: Spec, store: Store) -> None:
    watch = {
        "trainer": {
            "callbacks+": [
                {"class_path": "FGSM", "init_args": {"epsilons": [0.1]}},
                {"class_path": "lit_causalmix.callbacks.ScoreTrajectory"},
            ]
        }
    }
    (cell, *_) = plan(spec(methods=["default"], base=watch))
    record = run_cell(cell, store)
    assert record["status"] == "ok", record
    for part in ("zero_shot", "scores", "normalized"):
        assert "perturbed_0.1/roc_auc" in record[part]["test"]
        assert "perturbed_0.1/roc_auc" not in record[part]["val"]
    assert [point["step"] for point in record["trajectory"]] == [0, 2, 4]


def test_zero_shot_scores_are_measured_once_and_shared(
    cells: list[Cell], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_cell(cells[0], store)
    monkeypatch.setattr(
        "lit_causalmix.training.selecting.score_stage", lambda *_: pytest.fail("measured again")
    )
    second = run_cell(cells[1], store)
    assert second["status"] == "ok", second
    assert second["zero_shot"] == first["zero_shot"]
    alone = Store(store.root.with_name("other"))
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        run_cell(cells[1], alone)


def test_zero_shot_scores_under_attack_are_shared_too(
    spec: Spec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = {"class_path": "FGSM", "init_args": {"epsilons": [0.1]}}
    watch = {"trainer": {"callbacks+": [attack]}}
    cells = plan(
        spec(methods=["default", "jitter"], seeds=[0], tables=[spec().tables[0]], base=watch)
    )
    alone = run_cell(cells[1], Store(store.root.with_name("other")))
    first = run_cell(cells[0], store)
    attacks = []
    measure = FGSM._attack
    monkeypatch.setattr(FGSM, "_attack", lambda *a: attacks.append(1) or measure(*a))
    second = run_cell(cells[1], store)
    assert len(attacks) == 1  # on the fine-tuned weights
    assert second["zero_shot"] == first["zero_shot"] == alone["zero_shot"]
    assert second["normalized"] == alone["normalized"]
    assert "perturbed_0.1/roc_auc" in second["zero_shot"]["test"]


def test_finished_cells_are_not_run_again_and_failed_ones_on_request(
    cells: list[Cell], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = JitterGenerator.fit
    monkeypatch.setattr(JitterGenerator, "fit", lambda *_, **__: 1 / 0)
    assert run_study(cells, store, QUIET) == Counter(ok=1, failed=1)
    failed = store.get(cells[1].key)
    assert failed is not None
    assert failed["error"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in "".join(failed["traceback"])
    assert failed["table"] == "first"

    monkeypatch.setattr(JitterGenerator, "fit", fit)
    assert run_study(cells, store, QUIET) == Counter()
    stamp = store.stamp(cells[0].key)
    again = RunOptions(progress=False, threads=1, retry_failed=True)
    assert run_study(cells, store, again) == Counter(ok=1)
    assert store.stamp(cells[0].key) == stamp
    assert not pending(cells, store, retry_failed=True)


def test_a_limit_stops_early_and_the_rest_follows(cells: list[Cell], store: Store) -> None:
    assert run_study(cells, store, RunOptions(limit=1, threads=1, progress=False)) == Counter(ok=1)
    assert run_study(cells, store, QUIET) == Counter(ok=1)


def test_a_cell_of_another_runner_is_waited_for_not_run(cells: list[Cell], store: Store) -> None:
    """The other runner is a child process that holds the claim, finishes the cell, and ends."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with store.claim(cells[0].key):
            os.write(write, b"x")
            record = run_cell(cells[0], store)
            store.put(record | {"notes": ["by the other"]})
            os._exit(0)
    os.read(read, 1)
    counts = run_study(cells, store, QUIET)
    os.waitpid(child, 0)
    assert counts == Counter(ok=2)
    record = store.get(cells[0].key)
    assert record is not None
    assert record["notes"] == ["by the other"]


@pytest.mark.slow
def test_two_jobs_give_the_bits_of_one(cells: list[Cell], store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "two")
    options = RunOptions(jobs=2, threads=1, progress=False)
    assert run_study(cells, other, options) == Counter(ok=2)
    assert run_study(cells, store, QUIET) == Counter(ok=2)
    for one, two in zip(store.records(), other.records(), strict=True):
        assert one["scores"] == two["scores"]
        assert one["key"] == two["key"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_process_that_dies_costs_its_own_cell_alone(
    cells: list[Cell], store: Store, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    def attempt(cell: Cell, root: Path, **options: Any) -> str:  # local: it travels by value
        if cell.method != "jitter":
            return run(cell, root, **options)
        with Store(root).claim(cell.key), Store(root).started(cell.key):
            os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("alive")

    run = runner.attempt
    monkeypatch.setattr(runner, "attempt", attempt)
    options = RunOptions(jobs=jobs, progress=False, threads=1)
    if jobs == 1:  # the cell takes the runner itself along, and the same command goes on
        process = get_context("fork").Process(target=run_study, args=(cells, store, options))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert store.keys() == {cells[0].key}
        assert run_study(cells, store, options) == Counter(failed=1)
    else:
        assert run_study(cells, store, options) == Counter(ok=1, failed=1)
    record = store.get(cells[1].key)
    assert record is not None
    assert record["error"].startswith("the process died twice")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"jobs": 0}, "jobs must be at least 1"), ({"limit": -1}, "limit must be at least 1")],
)
def test_options_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RunOptions(**options)  # type: ignore[arg-type]


def test_backends_are_checked() -> None:
    with (
        pytest.raises(ConfigurationError, match="backend is one of loky, ray, dask, got 'spark'"),
        side_by_side("spark", jobs=1, address=None),
    ):
        pass
    with (
        pytest.raises(ConfigurationError, match="address belongs to"),
        side_by_side("loky", jobs=1, address="x"),
    ):
        pass
