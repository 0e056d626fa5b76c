"""The figures of `benchmarks/folds.py` as tables in Markdown.

    python benchmarks/folds_summary.py runs/folds.jsonl

Each table counts once, by its mean over seeds; intervals are 95 %, over tables and seeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lit_causalmix.metrics import Score, specs
from lit_causalmix.metrics.functional import normalized_score
from lit_causalmix.study.statistics.bootstrap import Bootstrap, Floats

RULES = ("default", "cautious")
FOLDS = ("1", "5")

Records = Sequence[Mapping[str, Any]]


def gain(score: float, start: float, kind: str) -> float:
    """Percent by which a score is better than another: ROC-AUC or RMSE."""
    spec = specs(kind == "classification")[0]
    return normalized_score(Score(score), Score(start), spec.sign).value


def by_table(records: Records, value: Callable[[Mapping[str, Any]], float]) -> list[Floats]:
    """The values of each table over its seeds."""
    found: dict[str, list[float]] = {}
    for entry in records:
        found.setdefault(entry["table"], []).append(value(entry))
    return [np.array(values) for values in found.values()]


def estimate(tables: list[Floats]) -> str:
    """The mean over tables with its 95 % interval, over tables and seeds."""
    found = Bootstrap().estimate(tables, lambda means: means.mean(axis=-1))
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def share(tables: list[Floats], holds: Callable[[Floats], Any]) -> str:
    """The share of tables whose mean over seeds meets a condition."""
    return f"{np.mean(holds(np.array([values.mean() for values in tables]))):.0%}"


def summary(records: Records) -> Iterator[str]:
    """The figures as tables in Markdown."""
    kinds = {
        kind: found
        for kind in ("classification", "regression")
        if (found := [r for r in records if r.get("kind") == kind])
    }
    yield "| zero-shot, with validation rows in the context | tables | mean change [%] |"
    yield "|---|---:|---:|"
    for kind, found in kinds.items():
        tables = by_table(
            found, lambda r: gain(r["folds"]["1"]["zero_shot"], r["zero_shot_train"], r["kind"])
        )
        better = share(tables, lambda means: means > 0)
        yield f"| {kind}: {better} of tables better | {len(tables)} | {estimate(tables)} |"
    yield ""
    yield (
        "| gain over zero-shot [%] | tables × seeds | mean | SD over tables | worse than zero-shot "
        "| worse by > 0.1 | processor seconds of the fits, median |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for kind, found in kinds.items():
        seeds = sorted({r["seed"] for r in found})
        for rule, folds in product(RULES, FOLDS):
            tables = by_table(found, partial(_gain, rule, folds))
            means = np.array([values.mean() for values in tables])
            seconds = np.median([r["folds"][folds]["seconds"] for r in found])
            name = "one split" if folds == "1" else f"{folds} folds"
            worse = share(tables, lambda m: m < 0), share(tables, lambda m: m < -0.1)
            yield (
                f"| {kind}, {rule} rule: {name} | {len(tables)} × {len(seeds)} "
                f"| {estimate(tables)} | {means.std(ddof=1):.2f} | {worse[0]} | {worse[1]} "
                f"| {seconds:.1f} |"
            )
    yield ""
    yield (
        "| folds to one split, paired [points] | mean difference | tables better / equal / worse |"
    )
    yield "|---|---:|---:|"
    for (kind, found), rule in product(kinds.items(), RULES):
        tables = by_table(
            found, lambda r, rule=rule: _gain(rule, FOLDS[1], r) - _gain(rule, "1", r)
        )
        signs = [np.sign(values.mean()) for values in tables]
        counts = " / ".join(str(signs.count(sign)) for sign in (1, 0, -1))
        yield f"| {kind}, {rule} rule | {estimate(tables)} | {counts} |"
    yield ""
    for entry in (r for r in records if "left_out" in r):
        yield f"Left out: {entry['table']}, seed {entry['seed']}: {entry['left_out']}."


def _gain(rule: str, folds: str, entry: Mapping[str, Any]) -> float:
    # Both by the zero-shot of one split, so that a difference is one of scores.
    start = entry["folds"]["1"]["zero_shot"]
    return gain(entry["folds"][folds][rule]["score"], start, entry["kind"])


def main() -> None:
    """Prints the figures."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print("\n".join(summary([json.loads(line) for line in lines])))


if __name__ == "__main__":
    main()
