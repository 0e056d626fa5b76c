"""The figures of `benchmarks/imbalance.py` as tables in Markdown.

    python benchmarks/imbalance_summary.py runs/imbalance.jsonl

Each table counts once, by its mean over seeds; intervals are 95 %, over tables and seeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from folds_summary import by_table, estimate

Entry = Mapping[str, Any]
Value = Callable[[Entry], float]
RULES = ("log-loss", "ROC-AUC", "balanced accuracy", "last step")


def of_way(way: str, rule: str, score: str) -> Value:
    """Reads a score of a way of training and a choice of its step, in percent."""
    return lambda entry: 100 * entry["ways"][way]["rules"][rule][score]


def of_zero_shot(score: str) -> Value:
    """Reads a score of zero-shot, in percent."""
    return lambda entry: 100 * entry["zero_shot"][score]


def mean(records: Sequence[Entry], value: Value) -> float:
    """The mean over tables."""
    return float(np.mean([values.mean() for values in by_table(records, value)]))


def paired(records: Sequence[Entry], value: Value, other: Value) -> str:
    """The mean difference in points with its interval."""
    return estimate(by_table(records, lambda entry: value(entry) - other(entry)))


def summary(records: Sequence[Entry]) -> Iterator[str]:
    """The figures as tables in Markdown."""
    half, cut, area = "balanced_accuracy", "balanced_accuracy_threshold", "roc_auc"
    zero = {score: of_zero_shot(score) for score in (half, cut, area)}
    yield (
        "| training, step chosen by | balanced accuracy | to zero-shot [points] | with threshold "
        "| threshold to one half [points] | ROC-AUC to zero-shot [points] | zero-shot kept |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    yield (
        f"| zero-shot | {mean(records, zero[half]):.1f} | | {mean(records, zero[cut]):.1f} "
        f"| {paired(records, zero[cut], zero[half])} | | |"
    )
    for way in records[0]["ways"]:
        for rule in RULES:
            found = {score: of_way(way, rule, score) for score in (half, cut, area)}
            kept = np.mean([entry["ways"][way]["rules"][rule]["step"] == 0 for entry in records])
            yield (
                f"| {way}; {rule} | {mean(records, found[half]):.1f} "
                f"| {paired(records, found[half], zero[half])} | {mean(records, found[cut]):.1f} "
                f"| {paired(records, found[cut], found[half])} "
                f"| {paired(records, found[area], zero[area])} | {kept:.0%} |"
            )
    yield ""
    yield "| table | zero-shot ROC-AUC | balanced accuracy | with threshold | thresholds |"
    yield "|---|---:|---:|---:|---|"
    for table in dict.fromkeys(entry["table"] for entry in records):
        own = [entry for entry in records if entry["table"] == table]
        cuts = ", ".join(f"{entry['zero_shot']['threshold']:.2f}" for entry in own)
        yield (
            f"| {table} | {mean(own, zero[area]):.1f} | {mean(own, zero[half]):.1f} "
            f"| {mean(own, zero[cut]):.1f} | {cuts} |"
        )


def main() -> None:
    """Prints the figures."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print("\n".join(summary([json.loads(line) for line in lines])))


if __name__ == "__main__":
    main()
