"""The figures of ways of training with a rare class, from records whose answer is known."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from lit_causalmix.ensembles import Predicted


def scores(half: float, threshold: float, area: float) -> dict[str, float]:
    return {
        "roc_auc": area,
        "balanced_accuracy": half,
        "balanced_accuracy_threshold": threshold,
        "threshold": 0.1,
    }


def entry(table: str, seed: int, gain: float) -> dict[str, Any]:
    summary = importlib.import_module("imbalance_summary")
    found = {"step": 6, **scores(0.5 + gain, 0.7, 0.8 - gain / 10)}
    ways = {"real rows": {"rules": dict.fromkeys(summary.RULES, found)}}
    return {"table": table, "seed": seed, "zero_shot": scores(0.5, 0.6, 0.8), "ways": ways}


def test_each_table_counts_once(benchmark: Callable[[str], ModuleType]) -> None:
    summary = benchmark("imbalance_summary").summary
    text = list(summary([entry("a", 0, 0.1), entry("a", 1, 0.1), entry("b", 0, 0.2)]))
    assert text[2].startswith("| zero-shot | 50.0 | | 60.0 | +10.00 [+10.00, +10.00]")
    line = next(line for line in text if line.startswith("| real rows; log-loss"))
    assert line.startswith("| real rows; log-loss | 65.0 | +15.00 [")
    assert "| 70.0 | +5.00 [" in line
    assert "| -1.50 [" in line
    assert line.endswith("| 0% |")


def test_decisions_at_a_threshold_are_scored_on_test_rows(
    benchmark: Callable[[str], ModuleType],
) -> None:
    measured = benchmark("imbalance").scores
    p, y = torch.tensor([0.05, 0.1, 0.2, 0.3]), torch.tensor([0, 0, 1, 1])
    rows = torch.arange(4)
    found = Predicted(torch.stack([1 - p, p], dim=1), y, rows, torch.zeros(4))
    assert measured(found, found) == pytest.approx(scores(0.5, 1.0, 1.0) | {"threshold": 0.15})
