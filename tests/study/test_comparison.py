"""The table of a study in a terminal."""

from typing import Any

from lit_causalmix.study.comparison import comparison_table

SCORES = {"default": (0.80, 0.808), "jitter": (0.80, 0.804), "auto": (0.83, 0.816)}
"""Method → zero-shot and score: auto is ahead of all, and worse than its own zero-shot."""


def record(method: str, table: str, backbone: str, seed: int) -> dict[str, Any]:
    zero, score = SCORES[method]
    labels = {"table": table, "method": method, "backbone": backbone, "seed": seed}
    facts = {"domain": "food", "task": "binary", "n_train": 9, "n_columns": 2, "n_classes": 2}
    return {
        **labels,
        **facts,
        "ratio": 0.0,
        "size": 0.0,
        "best_step": 3,
        "seconds": {"total": 1.0},
        "scores": {"test": {"real/roc_auc": score}},
        "zero_shot": {"test": {"real/roc_auc": zero}},
        "normalized": {"test": {"real/roc_auc": (score / zero - 1) * 100}},
    }


def ranks(text: str) -> dict[str, str]:
    """The average rank of each row of the first table."""
    lines = [line.split() for line in text.splitlines()]
    return {line[0]: line[-4] for line in lines if line and line[0] in SCORES and len(line) > 8}


def test_ranks_are_of_percents_of_one_zero_shot() -> None:
    records = [record(m, t, "nano", seed) for t in "abcdefg" for seed in (0, 1) for m in SCORES]
    text = comparison_table(records)
    assert ranks(text) == {"auto": "1.00", "default": "2.00", "jitter": "3.00"}, text
    assert "-1.69" in text, "the median stays beside the method's own zero-shot"


def test_backbones_have_a_zero_shot_each() -> None:
    records = [record(m, t, b, 0) for t in "abcdefg" for b in ("nano", "mitra") for m in SCORES]
    assert "auto on mitra" in comparison_table(records)
