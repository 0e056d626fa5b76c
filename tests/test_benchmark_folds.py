"""The figures of folds against one split, from records whose answer is known."""

from collections.abc import Callable
from types import ModuleType
from typing import Any


def entry(table: str, seed: int, one: float, five: float, *, kind: str) -> dict[str, Any]:
    def found(score: float, seconds: float) -> dict[str, Any]:
        rules = {rule: {"step": 6, "score": score} for rule in ("default", "cautious")}
        return {"seconds": seconds, "zero_shot": 0.5, **rules}

    folds = {"1": found(one, 2.0), "5": found(five, 10.0)}
    facts = {"table": table, "seed": seed, "kind": kind, "zero_shot_train": 0.4}
    return facts | {"folds": folds}


def test_figures_count_each_table_once_and_follow_the_better_side(
    benchmark: Callable[[str], ModuleType],
) -> None:
    summary = benchmark("folds_summary").summary
    records = [
        entry("a", 0, 0.50, 0.55, kind="classification"),
        entry("a", 1, 0.50, 0.55, kind="classification"),
        entry("b", 0, 0.45, 0.50, kind="classification"),
        entry("c", 0, 0.50, 0.45, kind="regression"),
        {"table": "d", "seed": 0, "left_out": "too few rows"},
    ]
    text = "\n".join(summary(records))
    assert "| classification: 100% of tables better | 2 | +25.00 [+25.00, +25.00] |" in text
    assert "| regression: 0% of tables better | 1 | -25.00" in text  # an RMSE that grew
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if " | " in line}
    one = lines["| classification, default rule: one split"].split(" | ")
    assert one[1] == "2 × 2"
    assert one[2].startswith("-5.00")
    assert one[4:6] == ["50%", "50%"]
    assert lines["| classification, default rule"].endswith("| 2 / 0 / 0 |")
    assert "+10.00 [+10.00, +10.00]" in lines["| classification, default rule"]
    assert "| 1 / 0 / 0 |" in lines["| regression, default rule"]
    assert "Left out: d, seed 0: too few rows." in text
