"""What the page on rates reads off a cell: shorter fits, rules of selection, the last weights."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def script(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("rates")


RECORD: dict[str, Any] = {
    "task": "binary",
    "method": "a",
    "table": "t",
    "trajectory": [
        {"step": step, "val": {"log_loss": loss, "roc_auc": auc}, "test": {"roc_auc": test}}
        for step, loss, auc, test in (
            (0, 0.0, 0.0, 0.0),
            (10, 2.0, 0.4, 0.3),
            (20, 1.0, 0.9, -0.5),
            (30, 3.0, 0.2, 1.5),
        )
    ],
}


@pytest.mark.parametrize(
    ("steps", "rule", "score"),
    [
        (10, ("log_loss", 0.0), 0.3),
        (20, ("log_loss", 0.0), 0.3),
        (30, ("log_loss", 0.0), 1.5),
        (30, ("roc_auc", 0.5), -0.5),
        (10, ("roc_auc", 0.5), 0.0),  # below the bar zero-shot stays
        (0, ("log_loss", 0.0), 0.0),
    ],
)
def test_the_best_of_the_first_steps_counts(
    script: ModuleType, steps: int, rule: tuple[str, float], score: float
) -> None:
    assert script.selected(RECORD, steps, rule) == score


@pytest.mark.parametrize(
    ("patience", "steps", "score", "taken"),
    [(1, 30, 0.3, 20), (2, 30, 1.5, 30), (2, 20, 0.3, 20), (9, 30, 1.5, 30)],
)
def test_a_fit_ends_when_validations_in_a_row_do_not_gain(
    script: ModuleType, patience: int, steps: int, score: float, taken: int
) -> None:
    assert script.patient(RECORD, steps, "log_loss", patience) == (score, taken)


def test_the_last_weights_are_those_of_the_step(script: ModuleType) -> None:
    assert [script.last(RECORD, steps) for steps in (10, 20, 30)] == [0.3, -0.5, 1.5]


def test_tables_that_a_recipe_lacks_are_left_out(script: ModuleType) -> None:
    others = [RECORD | {"method": "b", "table": name} for name in ("t", "u")]
    found = script.common([RECORD, *others], "classification")
    assert {name: [r["table"] for r in cells] for name, cells in found.items()} == {
        "a": ["t"],
        "b": ["t"],
    }
    assert script.common([RECORD], "regression") == {}


def test_a_table_is_worse_by_more_than_a_tenth(script: ModuleType) -> None:
    assert script.told([0.0, -0.05, -0.2, 1.0])[1] == "25%"
