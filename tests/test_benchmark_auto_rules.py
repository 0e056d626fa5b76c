"""The script that compares rules for the choice of `auto`."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

Array = NDArray[Any]
TARGET = np.array([0, 1, 0, 1, 0, 1, 0, 1])


@pytest.fixture
def script(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("auto_rules")


def probabilities(right: float) -> Array:
    """Every row is given this probability for its own class."""
    return np.stack([np.where(k == TARGET, right, 1 - right) for k in (0, 1)], axis=1)


def kept(**right: tuple[float, ...]) -> dict[str, Array]:
    """Candidates by the probability of the right class after each step; zero-shot has .6."""
    found: dict[str, Array] = {"classes": np.array(True)}
    for name, values in right.items():
        steps = np.stack([probabilities(value) for value in (0.6, *values)])
        found |= {f"{part}/{name}": steps for part in ("held_out", "test")}
    return found | {f"target/{part}": TARGET for part in ("held_out", "test")}


def chosen(answer: dict[str, Array]) -> float:
    """The probability that is given to the right class of the first test row."""
    return round(float(answer["test"][0, 0]), 6)


def test_the_best_step_of_all_candidates_is_taken_above_the_bar(script: ModuleType) -> None:
    fits = script.Fits(kept(default=(0.62, 0.55), jitter=(0.5, 0.7)))
    best = script.best("loss")
    assert chosen(best(fits)) == 0.7
    assert chosen(script.best("loss", ["default"])(fits)) == 0.62
    gain = 100 * (np.log(0.7) - np.log(0.6)) / -np.log(0.6)
    assert chosen(script.bar(best, "loss", gain - 0.01)(fits)) == 0.7
    assert chosen(script.bar(best, "loss", gain + 0.01)(fits)) == 0.6


def test_nothing_is_taken_that_loses(script: ModuleType) -> None:
    fits = script.Fits(kept(default=(0.5, 0.4)))
    best = script.best("loss")
    for rule in (script.bar(best, "loss", 0), script.sure(best, 0), script.every, script.greedy(5)):
        assert chosen(rule(fits)) == 0.6


def test_means_of_models(script: ModuleType) -> None:
    fits = script.Fits(kept(default=(0.8,), jitter=(0.5,), causalmixft=(0.7,)))
    assert chosen(script.every(fits)) == 0.7  # .8, zero-shot's .6, .7
    assert chosen(script.mean(script.zero_shot, script.best("loss"))(fits)) == 0.7
    assert chosen(script.greedy(2)(fits)) == 0.7  # zero-shot and the best


def test_a_gain_of_few_rows_is_not_sure(script: ModuleType) -> None:
    files = kept(default=(0.6,))
    lucky = probabilities(0.6)
    lucky[0] = [0.9, 0.1]
    files["held_out/default"] = files["test/default"] = np.stack([probabilities(0.6), lucky])
    fits = script.Fits(files)
    assert chosen(script.sure(script.best("loss"), 0.5)(fits)) == 0.9
    assert chosen(script.sure(script.best("loss"), 2.0)(fits)) == 0.6


def test_the_page_and_the_gains_of_each_table(script: ModuleType, tmp_path: Path) -> None:
    for table, right in (("one", 0.7), ("two", 0.5)):
        save_file(kept(default=(right,)), tmp_path / f"{table}-0.safetensors")
    out = tmp_path / "rules.md"
    script.main(["judge", "--folder", str(tmp_path), "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    assert "## Classification, 2 tables" in text
    lines = out.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["table", "one", "two"]
    (tmp_path / "two-0.safetensors").rename(tmp_path / "three-0.safetensors")
    script.main(["judge", "--folder", str(tmp_path), "--out", str(out)])
    more = out.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in more] == ["table", "one", "three", "two"]
    assert set(lines) < set(more)
