"""The page on rate, steps and selection of a plain fit, from the cells of the study `rates`.

    lit-causalmix study export --config rates --to docs/results/rates.jsonl.gz
    python benchmarks/rates.py --out docs/results/rates.md

reads the cells beside the output file. Fits ran without early stopping and were scored every ten
steps, so that each shorter fit, and each rule of selection, is read off the same cells: the weights
of the best score of the validation rows among the first steps, zero-shot included. Tables are taken
that every rate has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from study_tables import numbers_right, records_of, write_page

from lit_causalmix.pages.content import Element, Paragraph, Part, Section
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.report.summary import WORSE
from lit_causalmix.study.report.words import estimate, signed
from lit_causalmix.study.results import headline, number
from lit_causalmix.study.statistics import student_interval

STEPS = (20, 40, 60, 90, 120)
KINDS = ("classification", "regression")

PREFACE = """# Rate, steps and selection of a plain fit

Written by `benchmarks/rates.py` from the cells of

```console
$ export LIT_CAUSALMIX_DATA=FOLDER:OTHER
$ lit-causalmix study run --config rates --jobs 2
```

as far as they are there. Normalised ROC-AUC (classification) or RMSE (regression) of the test
rows, in percent of zero-shot, on tables of the development half; mean over tables with Student's
95 % interval.

**What was chosen** for a plain fit of `Nano` (`configs/finetune/nano.yaml`): 1e-4 and 60 steps,
the weights selected by the loss of the validation rows. In classification 1e-4 gains most at any
number of steps, and its last weights fall below zero-shot by step 120; in regression it gains with
its last weights until step 60, as much as 3e-5 does in 90. At 3e-4 the last weights lose. A bar of
.5 or 1 % on the first metric does as well as the loss. With so few tables and one seed all
intervals overlap: this is a choice of a default, not a result. The first generation of the embedded
model was measured.
"""

Rule = tuple[str, float]
"""Metric whose validation score selects, and percent that it has to gain on zero-shot."""


def rules(kind: str) -> Mapping[str, Rule]:
    """What selects the weights: the loss, as a fit does, or the first metric with a bar."""
    loss, score = ("log_loss", "roc_auc") if kind == KINDS[0] else ("rmse", "rmse")
    return {
        "loss" if kind == KINDS[0] else "RMSE": (loss, 0.0),
        **{f"{score}, a gain above {bar:g} %": (score, bar) for bar in (0.5, 1.0)},
    }


def selected(record: Record, steps: int, rule: Rule) -> float:
    """The normalised test score of what a rule selects among the first steps."""
    metric, bar = rule
    points: list[Mapping[str, Any]] = [p for p in record["trajectory"] if p["step"] <= steps]
    start = next(p for p in points if p["step"] == 0)
    better = [p for p in points if number(p["val"].get(metric)) > bar]
    best = max(better, key=lambda p: number(p["val"].get(metric)), default=start)
    return number(best["test"].get(headline(record["task"])))


def last(record: Record, steps: int) -> float:
    """The normalised test score after so many steps, whatever the validation rows say."""
    (point,) = (p for p in record["trajectory"] if p["step"] == steps)
    return number(point["test"].get(headline(record["task"])))


def common(records: Sequence[Record], kind: str) -> dict[str, list[Record]]:
    """Method → its cells on the tables of a kind that all methods have."""
    regression = kind == KINDS[1]
    own = [r for r in records if (r["task"] == "regression") == regression]
    methods = sorted({r["method"] for r in own})
    by = {m: {r["table"]: r for r in own if r["method"] == m} for m in methods}
    tables = sorted(set.intersection(*(set(found) for found in by.values()))) if by else []
    return {m: [by[m][table] for table in tables] for m in methods}


def told(values: Sequence[float]) -> tuple[str, str]:
    """Mean with its interval, and the share of tables that are worse."""
    array = np.asarray(values, dtype=np.float64)
    return estimate(student_interval(array, 0.95)), f"{(array < WORSE).mean():.0%}"


def sections(folder: Path) -> Iterator[Section]:
    """A section for each kind of task."""
    records = [r for r in records_of(folder / "rates.jsonl.gz") if r["status"] == OK]
    for kind in KINDS:
        by = common(records, kind)
        if not by:
            continue
        n = len(next(iter(by.values())))
        names = rules(kind)
        head = ("recipe", "steps", *names, "worse by > 0.1, of the first rule", "last weights")
        rows = []
        for method, cells in by.items():
            for steps in STEPS:
                found = [told([selected(c, steps, rule) for c in cells]) for rule in names.values()]
                end = float(np.mean([last(c, steps) for c in cells]))
                rows.append(
                    (method, str(steps), *(mean for mean, _ in found), found[0][1], signed(end))
                )
        content: list[Element] = [Paragraph(f"{n} tables, one seed."), numbers_right(head, rows)]
        yield Section("", kind.capitalize(), [Part(content)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    write_page(__doc__, PREFACE, sections, arguments)


if __name__ == "__main__":
    main()
